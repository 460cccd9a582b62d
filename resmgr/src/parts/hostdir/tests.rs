use super::HostDir;
use crate::Errno;
use crate::ipc::Credentials;
use crate::resource::{Change, New, NewKind, RenameFlags, Resource};
use crate::wire::Stat;
use resmgr_sys::process;
use std::ffi::OsStr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// A directory that goes with the test, and a secret beside it.
struct Base(PathBuf);

impl Base {
    fn new(test: &str) -> Self {
        let name = format!("resmgr-hostdir-{test}-{}", std::process::id());
        let base = std::env::temp_dir().join(name);
        std::fs::create_dir_all(base.join("shown/dir")).unwrap();
        std::fs::create_dir(base.join("secret")).unwrap();
        std::fs::write(base.join("secret/file"), "secret").unwrap();
        std::fs::write(base.join("shown/dir/file"), "shown").unwrap();
        Self(base)
    }

    fn shown(&self) -> PathBuf {
        self.0.join("shown")
    }
}

impl Drop for Base {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn name(text: &str) -> &OsStr {
    OsStr::new(text)
}

fn new(what: NewKind, mode: u32) -> New {
    let (uid, gid) = (process::effective_uid(), process::effective_gid());
    let client = Credentials { pid: 1, uid, gid };
    New {
        what,
        mode,
        uid,
        gid,
        client,
    }
}

#[test]
fn nothing_leads_out_of_the_directory() {
    let base = Base::new("out");
    symlink("/etc", base.shown().join("absolute")).unwrap();
    symlink("../secret", base.shown().join("above")).unwrap();
    symlink("/proc/self/root", base.shown().join("magic")).unwrap();
    let fs = HostDir::new(base.shown()).unwrap();
    let root = fs.root();
    for (link, text) in [
        ("absolute", "/etc"),
        ("above", "../secret"),
        ("magic", "/proc/self/root"),
    ] {
        let node = fs.lookup(&root, name(link)).unwrap();
        assert!(fs.attr(&node).unwrap().is_link());
        assert_eq!(fs.read_link(&node).unwrap(), text);
        let through = fs.lookup(&node, name("passwd")).err();
        assert_eq!(through, Some(Errno::NOTDIR), "{link}");
        assert_eq!(node.open(0).err(), Some(Errno::NXIO));
    }
    for above in ["..", "../secret", "/etc", "dir/../.."] {
        assert!(fs.lookup(&root, name(above)).is_err(), "{above}");
    }
}

#[test]
fn magic_links_of_proc_are_links_and_lead_nowhere_here() {
    let fs = HostDir::new("/proc/self").unwrap();
    let root = fs.root();
    let link = fs.lookup(&root, name("root")).unwrap();
    assert!(fs.attr(&link).unwrap().is_link());
    assert_eq!(fs.lookup(&link, name("etc")).err(), Some(Errno::NOTDIR));
    let fd = fs.lookup(&root, name("fd")).unwrap();
    let zero = fs.lookup(&fd, name("0")).unwrap();
    assert_eq!(zero.open(0).err(), Some(Errno::NXIO));
}

/// Somebody swaps a directory for a link while others walk through it: nobody sees the secret.
#[test]
fn a_link_swapped_for_a_directory_is_never_followed() {
    let base = Base::new("swap");
    symlink("../secret", base.shown().join("link")).unwrap();
    let fs = HostDir::new(base.shown()).unwrap();
    let (root, over) = (fs.root(), AtomicBool::new(false));
    let swap = |one: &Path, other: &Path| {
        let text = |path: &Path| super::text(path.as_os_str()).unwrap();
        let dir = std::fs::File::open("/").unwrap();
        let dir = std::os::fd::AsFd::as_fd(&dir);
        resmgr_sys::dirfd::rename((dir, &text(one)), (dir, &text(other)), 2).unwrap();
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (dir, link) = (base.shown().join("dir"), base.shown().join("link"));
            while !over.load(Ordering::Relaxed) {
                swap(&dir, &link);
            }
        });
        let mut seen = [0, 0];
        for _ in 0..20_000 {
            let Ok(dir) = fs.lookup(&root, name("dir")) else {
                continue;
            };
            match fs.lookup(&dir, name("file")) {
                Ok(file) => {
                    seen[0] += 1;
                    let text = std::io::read_to_string(file.open(0).unwrap()).unwrap();
                    assert_eq!(text, "shown");
                }
                Err(errno) => {
                    seen[1] += 1;
                    assert_eq!(errno, Errno::NOTDIR);
                }
            }
        }
        over.store(true, Ordering::Relaxed);
        assert!(seen[0] > 0, "{seen:?}");
    });
}

#[test]
fn files_are_made_changed_and_removed_on_the_host() {
    let base = Base::new("change");
    let fs = HostDir::new(base.shown()).unwrap();
    let root = fs.root();
    let file = new(NewKind::File, Stat::REGULAR | 0o640);
    let node = fs.create(&root, name("file"), &file).unwrap();
    let again = fs.create(&root, name("file"), &file);
    assert_eq!(again.err(), Some(Errno::EXIST));
    fs.change(&node, &Change::to_size(10)).unwrap();
    let seen = std::fs::metadata(base.shown().join("file")).unwrap();
    assert_eq!(seen.len(), 10);
    assert_eq!(fs.attr(&node).unwrap().mode & 0o777, 0o640);
    fs.link(&node, &root, name("second")).unwrap();
    let dir = new(NewKind::Directory, Stat::DIRECTORY | 0o755);
    let dir = fs.create(&root, name("new"), &dir).unwrap();
    let to = (&dir, name("moved"));
    fs.rename((&root, name("file")), to, RenameFlags::empty())
        .unwrap();
    let full = fs.remove_dir(&root, name("new"));
    assert_eq!(full, Err(Errno::NOTEMPTY));
    fs.unlink(&dir, name("moved")).unwrap();
    fs.remove_dir(&root, name("new")).unwrap();
    assert_eq!(fs.attr(&node).unwrap().nlink, 1);
    let device = new(NewKind::Special(0x103), Stat::CHARACTER | 0o666);
    let made = fs.create(&root, name("null"), &device);
    assert_eq!(made.err(), Some(Errno::PERM));
}
