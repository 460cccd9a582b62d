//! What a connect message says beside its path: of a rename, a link, a new file.

use super::connect::check_path;
use super::{Connect, ConnectKind, ExtraType, PATH_MAX, RenameFlags, Stat};
use crate::{Errno, Result};

impl<'a> Connect<'a> {
    /// Bytes of the number of a device in an MKNOD's extra data (ours: 64 bits, and no type of their own).
    const DEVICE: usize = size_of::<u64>();

    /// Whether a directory is meant: of UNLINK, it is rmdir(); of MKNOD, mkdir().
    #[doc(alias = "S_ISDIR")]
    pub const fn is_dir(&self) -> bool {
        self.mode & Stat::TYPE == Stat::DIRECTORY
    }

    /// Of RENAME and LINK: the path that the file has, below the same name of the server's and in the same form as
    /// [`path`](Self::path), which is the new one. (QNX's library sends a LINK's with an open of the file.) A slash
    /// at its end is no part of it: see [`old_has_slash`](Self::old_has_slash).
    ///
    /// # Errors
    /// - `EBADMSG`: it is not there, or in another form.
    /// - `ENAMETOOLONG`: it is longer than any can be.
    pub fn old_path(&self) -> Result<&'a [u8]> {
        let expected = match self.kind {
            ConnectKind::RENAME => ExtraType::RENAME,
            _ => ExtraType::LINK,
        };
        let text = self.text(expected)?;
        check_path(text.strip_suffix(b"/").unwrap_or(text))
    }

    /// Of RENAME and LINK: whether the old path ends in a slash, and so means a directory.
    pub fn old_has_slash(&self) -> bool {
        let text = self.extra.strip_suffix(b"\0").unwrap_or(self.extra);
        text.ends_with(b"/")
    }

    /// Of LINK: whether a symbolic link is meant, which leads to a [`target`](Self::target).
    pub fn is_symlink(&self) -> bool {
        self.extra_type == ExtraType::SYMLINK
    }

    /// Of LINK: the text of the symbolic link.
    ///
    /// # Errors
    /// - `EBADMSG`: it is not there, or has a NUL in it.
    /// - `ENOENT`: it is empty.
    /// - `ENAMETOOLONG`: it is longer than any path can be.
    pub fn target(&self) -> Result<&'a [u8]> {
        match self.text(ExtraType::SYMLINK)? {
            b"" => Err(Errno::NOENT),
            text => Ok(text),
        }
    }

    /// Of RENAME: how.
    ///
    /// # Errors
    /// - `EINVAL`: there is no such flag, or the two exclude each other.
    pub fn rename_flags(&self) -> Result<RenameFlags> {
        match RenameFlags::from_bits(self.mode) {
            Some(flags) if flags != RenameFlags::all() => Ok(flags),
            _ => Err(Errno::INVAL),
        }
    }

    /// Of MKNOD: which device, for device files; else 0.
    ///
    /// # Errors
    /// - `EBADMSG`: the extra data are something else.
    #[doc(alias = "rdev")]
    pub fn device(&self) -> Result<u64> {
        match self.extra {
            [] => Ok(0),
            _ if self.extra_type != ExtraType::NONE || self.extra.len() != Self::DEVICE => {
                Err(Errno::BADMSG)
            }
            bytes => super::bytes::get(bytes, 0),
        }
    }

    /// The extra data as a text; C programs may count its NUL.
    fn text(&self, expected: ExtraType) -> Result<&'a [u8]> {
        if self.extra_type != expected {
            return Err(Errno::BADMSG);
        }
        let text = self.extra.strip_suffix(b"\0").unwrap_or(self.extra);
        if text.len() >= PATH_MAX {
            return Err(Errno::NAMETOOLONG);
        }
        if text.contains(&0) {
            return Err(Errno::BADMSG);
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use crate::Errno;
    use crate::wire::{Connect, ConnectKind, ExtraType, RenameFlags, Stat};

    fn with(kind: ConnectKind, extra_type: ExtraType, extra: &[u8]) -> Connect<'_> {
        Connect {
            kind,
            path: b"new",
            extra_type,
            extra,
            ..Connect::default()
        }
    }

    #[test]
    fn hp11_an_old_path_is_checked_as_the_path_is() {
        let rename = |extra| with(ConnectKind::RENAME, ExtraType::RENAME, extra).old_path();
        let link = |extra| with(ConnectKind::LINK, ExtraType::LINK, extra).old_path();
        for old in [rename, link] {
            assert_eq!(old(b"a/old"), Ok(&b"a/old"[..]));
            assert_eq!(old(b"a/old\0"), Ok(&b"a/old"[..]));
            assert_eq!(old(b"a/old/"), Ok(&b"a/old"[..]));
            for bad in [&b"/x"[..], b"..", b"a//", b"a\0b"] {
                assert_eq!(old(bad), Err(Errno::BADMSG));
            }
            assert_eq!(old(&[b'x'; 1024]), Err(Errno::NAMETOOLONG));
        }
        let other = with(ConnectKind::RENAME, ExtraType::LINK, b"x");
        assert_eq!(other.old_path(), Err(Errno::BADMSG));
    }

    #[test]
    fn hp11_a_symbolic_link_has_any_text_but_none() {
        let symlink = |extra| with(ConnectKind::LINK, ExtraType::SYMLINK, extra);
        assert!(symlink(b"x").is_symlink());
        assert_eq!(symlink(b"../a//b/").target(), Ok(&b"../a//b/"[..]));
        assert_eq!(symlink(b"").target(), Err(Errno::NOENT));
        assert_eq!(symlink(b"a\0b").target(), Err(Errno::BADMSG));
        let long = [b'x'; 1024];
        assert_eq!(symlink(&long).target(), Err(Errno::NAMETOOLONG));
        let hard = with(ConnectKind::LINK, ExtraType::LINK, b"x");
        assert_eq!(hard.target(), Err(Errno::BADMSG));
    }

    #[test]
    fn hp11_modes_and_devices() {
        let mode = |mode| Connect {
            mode,
            ..Connect::default()
        };
        assert!(mode(Stat::DIRECTORY | 0o755).is_dir() && !mode(0o755).is_dir());
        assert_eq!(mode(2).rename_flags(), Ok(RenameFlags::EXCHANGE));
        assert_eq!(mode(3).rename_flags(), Err(Errno::INVAL));
        assert_eq!(mode(8).rename_flags(), Err(Errno::INVAL));
        let device = 0x0102_0304_0506_0708_u64.to_ne_bytes();
        let node = |extra| with(ConnectKind::MKNOD, ExtraType::NONE, extra).device();
        assert_eq!(node(&device), Ok(0x0102_0304_0506_0708));
        assert_eq!(node(&[]), Ok(0));
        assert_eq!(node(&device[1..]), Err(Errno::BADMSG));
    }
}
