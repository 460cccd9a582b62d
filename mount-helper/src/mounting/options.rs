//! The words behind `-o`: which are known, what they mean, and that nothing else passes.
//!
//! Pure. mount(8) hands over everything that stands in fstab(5), also words that only mount(8) itself
//! acts on (`noauto`, `user`, `x-…`): those are accepted and mean nothing here. A word that is not
//! listed is an error, because a mount that silently lacks what was asked for is worse than none. No
//! word from the command line is ever copied into the option string of a system call or of
//! fusermount3: each is recognised, and what is passed on is written here.

use resmgr_sys::mount::MountFlags;
use std::path::{Path, PathBuf};

/// How a mount behaves.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a word of the option list"
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What is shown: a path of the namespace. `/` is all of it.
    pub source: PathBuf,
    /// Nothing can be written (`ro`).
    pub read_only: bool,
    /// Who else may look inside; `None` is the default: root shares, other users do not.
    pub allow_other: Option<bool>,
    /// The kernel checks the permission bits as well (`default_permissions`); the server always does.
    pub default_permissions: bool,
    /// Programs may be started from it (`exec`).
    pub exec: bool,
    /// Absolute targets of servers' symbolic links are shown as relative ones that stay in the mount (`inner_links`).
    pub inner_links: bool,
    /// Most bytes of one read or write that reach a server as one message; the kernel splits larger ones
    /// (`transfer`). With 64, 128, 192, 256, 512 KiB and 1 MiB, `dd bs=1M` took 1.96, 1.58, 1.47, 1.50, 1.69,
    /// 1.98 times as long as with bare fuser to read, and 1.60, 1.35, 1.28, 1.32, 1.48, 1.75 times to write
    /// (`fuse/dd` of the benchmark, one processor with a cache of 2 MiB, Linux 6.18, 2026-11-22). Longer ones
    /// push each other's copies out of the cache, shorter ones are more messages. 192 KiB is no clear gain,
    /// and splits powers of two unevenly.
    pub transfer: u32,
    /// Most requests that one server process may keep waiting; the next ones get EAGAIN.
    pub per_server: usize,
    /// Most threads that wait for servers, over all servers.
    pub workers: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            source: PathBuf::from("/"),
            read_only: false,
            allow_other: None,
            default_permissions: false,
            exec: false,
            inner_links: false,
            transfer: 256 << 10,
            per_server: 64,
            workers: 512,
        }
    }
}

/// Words that mount(8) and systemd understand and that say nothing to a helper, or that are how this file
/// system behaves anyway.
const WITHOUT_MEANING: &[&str] = &[
    "_netdev",
    "async",
    "atime",
    "auto",
    "defaults",
    "diratime",
    "dirsync",
    "group",
    "iversion",
    "lazytime",
    "loud",
    "mand",
    "noatime",
    "noauto",
    "nodev",
    "nodiratime",
    "nofail",
    "nogroup",
    "noiversion",
    "nolazytime",
    "nomand",
    "noowner",
    "norelatime",
    "nostrictatime",
    "nosuid",
    "nouser",
    "nousers",
    "owner",
    "relatime",
    "silent",
    "strictatime",
    "sync",
    "user",
    "users",
];

/// Why an option list was refused; prints as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadOption(String);

impl std::fmt::Display for BadOption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadOption {}

impl Options {
    /// Takes in one comma-separated list; later words win.
    ///
    /// # Errors
    /// A word that is not known, or a number that is none.
    pub fn add_list(&mut self, list: &str) -> Result<(), BadOption> {
        list.split(',')
            .filter(|word| !word.is_empty())
            .try_for_each(|word| self.add(word))
    }

    fn add(&mut self, word: &str) -> Result<(), BadOption> {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        match (name, value) {
            ("ro", None) => self.read_only = true,
            ("rw", None) => self.read_only = false,
            ("allow_other", None) => self.allow_other = Some(true),
            ("noallow_other", None) => self.allow_other = Some(false),
            ("default_permissions", None) => self.default_permissions = true,
            ("exec", None) => self.exec = true,
            ("noexec", None) => self.exec = false,
            ("inner_links", None) => self.inner_links = true,
            ("transfer", Some(text)) => self.transfer = transfer(text)?,
            ("per_server", Some(text)) => self.per_server = number(name, text)?,
            ("workers", Some(text)) => self.workers = number(name, text)?,
            ("dev" | "suid", None) => {
                return Err(BadOption(format!(
                    "option {word}: everything is shown as plain files here, there is nothing to allow"
                )));
            }
            (_, None) if WITHOUT_MEANING.contains(&name) => {}
            ("comment" | "user" | "uhelper" | "helper", Some(_)) => {}
            _ if name.starts_with("x-") || name.starts_with("X-") => {}
            _ => return Err(BadOption(format!("unknown option \"{word}\""))),
        }
        Ok(())
    }

    /// Whether others than the mounting user may look inside.
    pub fn shared(&self, uid: u32) -> bool {
        self.allow_other.unwrap_or(uid == 0)
    }

    /// The flags of mount(2). Set-user-id bits and devices never mean anything here: what a server
    /// answers as mode is an allegation.
    pub(crate) fn flags(&self) -> MountFlags {
        let mut flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOATIME;
        flags.set(MountFlags::RDONLY, self.read_only);
        flags.set(MountFlags::NOEXEC, !self.exec);
        flags
    }

    /// The words for fusermount3, which knows flags and data in one list.
    pub(crate) fn words_for_fusermount(&self, uid: u32) -> String {
        let mut words = format!(
            "nosuid,nodev,noatime,subtype=resmgr,max_read={}",
            self.transfer
        );
        let mut add = |wanted: bool, word: &str| {
            if wanted {
                words.push(',');
                words.push_str(word);
            }
        };
        add(self.read_only, "ro");
        add(!self.exec, "noexec");
        add(self.shared(uid), "allow_other");
        add(self.default_permissions, "default_permissions");
        add(
            is_plain(&self.source),
            &format!("fsname={}", self.source.display()),
        );
        add(!is_plain(&self.source), "fsname=resmgr");
        words
    }

    /// Turns what stood on the command line as the source into a path of the namespace.
    ///
    /// # Errors
    /// A path that is not absolute, or goes up.
    pub fn set_source(&mut self, source: &Path) -> Result<(), BadOption> {
        // mount(8) wants a word there even where nothing is meant by it.
        let source = if ["none", "resmgr", ""]
            .iter()
            .any(|word| source == Path::new(word))
        {
            Path::new("/")
        } else {
            source
        };
        let sane = source.is_absolute()
            && !source
                .components()
                .any(|part| part == std::path::Component::ParentDir);
        if !sane {
            return Err(BadOption(format!(
                "source {}: an absolute path of the namespace is wanted, such as /dev",
                source.display()
            )));
        }
        // Components leave out doubled and trailing slashes.
        self.source = source.components().collect();
        Ok(())
    }
}

fn number(name: &str, text: &str) -> Result<usize, BadOption> {
    match text.parse() {
        Ok(value @ 1..=4096) => Ok(value),
        _ => Err(BadOption(format!(
            "option {name}={text}: a number from 1 to 4096 is wanted"
        ))),
    }
}

/// 4k to 1m: whole pages, with a letter for the unit or without.
fn transfer(text: &str) -> Result<u32, BadOption> {
    let (digits, unit) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1 << 10),
        None => match text.strip_suffix(['m', 'M']) {
            Some(digits) => (digits, 1 << 20),
            None => (text, 1),
        },
    };
    match digits
        .parse()
        .ok()
        .and_then(|number: u32| number.checked_mul(unit))
    {
        Some(bytes @ 4096..=0x0010_0000) if bytes % 4096 == 0 => Ok(bytes),
        _ => Err(BadOption(format!(
            "option transfer={text}: 4k to 1m is wanted, in whole pages of 4k"
        ))),
    }
}

/// Whether a name may stand in fusermount3's list: a comma there would begin the next option, and a
/// backslash would hide one.
fn is_plain(path: &Path) -> bool {
    path.to_str()
        .is_some_and(|text| !text.contains([',', '\\', '\n', '"']))
}

#[cfg(test)]
mod tests {
    use super::Options;
    use resmgr_sys::mount::MountFlags;
    use std::path::Path;

    fn parsed(list: &str) -> Result<Options, String> {
        let mut options = Options::default();
        options
            .add_list(list)
            .map(|()| options)
            .map_err(|bad| bad.to_string())
    }

    #[test]
    fn known_words_are_taken_and_later_ones_win() {
        let options = parsed("rw,ro,,noauto,x-systemd.automount,per_server=3,exec,noexec").unwrap();
        assert!(options.read_only && !options.exec);
        assert_eq!(options.per_server, 3);
        assert!(
            options
                .flags()
                .contains(MountFlags::RDONLY | MountFlags::NOEXEC)
        );
        assert_eq!(parsed("").unwrap(), Options::default());
    }

    #[test]
    fn unknown_words_and_bad_numbers_are_refused_by_name() {
        assert!(parsed("ro,frobnicate").unwrap_err().contains("frobnicate"));
        assert!(parsed("fd=3").unwrap_err().contains("fd=3"));
        assert!(parsed("rootmode=40000").is_err());
        assert!(parsed("ro=1").is_err());
        assert!(parsed("per_server=0").unwrap_err().contains("per_server=0"));
        assert_eq!(parsed("transfer=1M").unwrap().transfer, 1 << 20);
        assert_eq!(parsed("transfer=8192").unwrap().transfer, 8192);
        for bad in [
            "transfer=2m",
            "transfer=1000",
            "transfer=",
            "transfer=9999999k",
        ] {
            assert!(parsed(bad).unwrap_err().contains(bad));
        }
        assert!(parsed("suid").unwrap_err().contains("suid"));
    }

    #[test]
    fn only_root_shares_by_default() {
        let mut options = Options::default();
        assert!(options.shared(0) && !options.shared(1000));
        options.add_list("noallow_other").unwrap();
        assert!(!options.shared(0));
        options.add_list("allow_other").unwrap();
        assert!(options.shared(1000));
    }

    #[test]
    fn a_comma_in_the_source_injects_no_option() {
        let mut options = Options::default();
        options.set_source(Path::new("/dev/a,allow_other")).unwrap();
        let words = options.words_for_fusermount(1000);
        assert!(!words.contains("allow_other"), "{words}");
        assert!(words.ends_with("fsname=resmgr"), "{words}");
    }

    #[test]
    fn the_source_is_an_absolute_path_or_a_word_for_everything() {
        let mut options = Options::default();
        for (given, meant) in [("none", "/"), ("resmgr", "/"), ("/dev//name/", "/dev/name")] {
            options.set_source(Path::new(given)).unwrap();
            assert_eq!(options.source, Path::new(meant));
        }
        assert!(options.set_source(Path::new("dev")).is_err());
        assert!(options.set_source(Path::new("/dev/../etc")).is_err());
    }
}
