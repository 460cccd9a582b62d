//! An archive that the real tar made, shown as a directory.

// The helpers below are tests, too.
#![allow(clippy::unwrap_used)]

mod support;

use resmgr::client::{self, OpenFlags};
use resmgr::{Errno, wire::Stat};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use support::{House, Ran, can_mount, end, is_client};

const TARFS: &str = env!("CARGO_BIN_EXE_tarfs");

/// Makes `src` and `src.tar`: files, links, an empty directory, a long name, and one file that is greater than a message.
fn archive(house: &House, options: &str) {
    let made = house.shell(&format!(
        "set -e
         mkdir -p src/deep/er src/empty
         head -c 3000001 /dev/urandom > src/large; : > src/nothing; echo text > src/deep/er/file
         echo run > src/script; chmod 4751 src/script; chmod 700 src/empty
         ln -s deep/er/file src/link; ln -s nowhere src/broken; ln src/large src/deep/second
         mkdir src/$(printf '%0120d' 0); echo long > src/$(printf '%0120d' 0)/$(printf '%0130d' 1)
         touch -d 2001-02-03T04:05:06Z src/nothing src/deep/er
         tar {options} -cf src.tar -C src ."
    ));
    assert_eq!(made.code, 0, "{made:?}");
}

fn serve(house: &mut House) {
    let _output = house.serve(TARFS, &["src.tar", "/tar"], "/tar");
}

#[track_caller]
fn refused(house: &House, file: &str, why: &str) {
    let sentence = format!("tarfs: {file}: {why}");
    let ran = house.run(TARFS, &[file, "/tar"]);
    assert_eq!(ran, Ran::failed(&sentence));
}

#[test]
fn tarfs_shows_ordinary_programs_what_tar_has_packed() {
    if !can_mount() {
        return;
    }
    for options in ["--format=gnu", "--format=posix"] {
        let mut house = House::new();
        archive(&house, options);
        serve(&mut house);
        house.mount();
        let same = house.shell(
            "set -e
             diff -r --no-dereference src mnt/tar
             cat mnt/tar/link
             list() { (cd $1; find . ! -name script -printf '%P %y %s %T@ %l\\n' | grep -v ' d ' | sort); }
             list src | sed 's/\\.[0-9]* / /' > 1; list mnt/tar | sed 's/\\.[0-9]* / /' > 2; cmp 1 2
             stat -c '%a %Y' mnt/tar/empty mnt/tar/deep/er mnt/tar/nothing | cut -c1-3
             test $(stat -c %i-%h mnt/tar/large) = $(stat -c %i-%h mnt/tar/deep/second)
             test $(stat -c %h mnt/tar/large) = 2
             test $(stat -c %Y mnt/tar/deep/er) = 981173106
             test $(stat -c %a mnt/tar/script | tail -c 4) = 7$(stat -c %a src/script | tail -c 3)
             dd if=mnt/tar/large bs=1000 skip=777 count=3 2>/dev/null > part
             dd if=src/large bs=1000 skip=777 count=3 2>/dev/null | cmp - part",
        );
        assert_eq!(same.code, 0, "{options}: {same:?}");
        assert!(same.out.starts_with("text\n"), "{same:?}");
        for change in [
            "echo x > mnt/tar/new",
            "rm mnt/tar/nothing",
            "chmod 600 mnt/tar/nothing",
        ] {
            let change = house.shell(change);
            assert!(change.err.contains("Read-only file system"), "{change:?}");
        }
    }
}

/// What the client library says of everything in `src` below `path`, and the file of the host.
fn compare(path: &Path, file: &Path) {
    let (stat, real) = (
        client::symlink_stat(path).unwrap(),
        file.symlink_metadata().unwrap(),
    );
    assert_eq!(
        stat.mode & Stat::TYPE,
        real.mode() & Stat::TYPE,
        "{}",
        path.display()
    );
    if real.is_symlink() {
        assert_eq!(
            client::read_link(path).unwrap(),
            fs::read_link(file).unwrap()
        );
    } else if real.is_dir() {
        let mut names: Vec<_> = client::list(path)
            .unwrap()
            .into_iter()
            .map(|one| one.name)
            .collect();
        let mut there: Vec<_> = fs::read_dir(file)
            .unwrap()
            .map(|one| one.unwrap().file_name())
            .collect();
        names.retain(|name| name != "." && name != "..");
        names.sort();
        there.sort();
        assert_eq!(names, there);
        for name in names {
            compare(&path.join(&name), &file.join(&name));
        }
    } else {
        reads(path, &fs::read(file).unwrap());
    }
}

/// Reads at offsets here and there, also around the end.
fn reads(path: &Path, bytes: &[u8]) {
    let file = client::open(path, OpenFlags::READ).unwrap();
    let mut random = 7_u64;
    for round in 0..200 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let spread = bytes.len() + 10;
        let at = match round {
            0 => 0,
            1 => bytes.len(),
            _ => (random >> 33) as usize % spread,
        };
        let mut buffer = vec![0; (random >> 13) as usize % 70_000];
        let len = file.read_at(&mut buffer, at as u64).unwrap();
        let rest = bytes.get(at..).unwrap_or_default();
        assert!(
            rest.starts_with(&buffer[..len]),
            "{} at {at}",
            path.display()
        );
        assert!(len > 0 || rest.is_empty() || buffer.is_empty());
    }
    let end = file.read_at(&mut [0; 10], u64::MAX >> 2);
    assert_eq!(end, Ok(0));
}

#[test]
fn the_library_reads_every_file_at_any_offset_and_changes_none() {
    if is_client().is_some() {
        compare(Path::new("/tar"), &PathBuf::from("src"));
        let refused = |flags| client::open("/tar/nothing", flags).err();
        assert_eq!(refused(OpenFlags::WRITE), Some(Errno::ROFS));
        assert_eq!(
            refused(OpenFlags::READ | OpenFlags::TRUNCATE),
            Some(Errno::ROFS)
        );
        assert_eq!(client::unlink("/tar/nothing"), Err(Errno::ROFS));
        assert_eq!(client::create_dir("/tar/new"), Err(Errno::ROFS));
        assert_eq!(client::rename("/tar/nothing", "/tar/x"), Err(Errno::ROFS));
        return;
    }
    let mut house = House::new();
    archive(&house, "--format=gnu");
    serve(&mut house);
    let test = "the_library_reads_every_file_at_any_offset_and_changes_none";
    let ran = end(house.client(test, "all").spawn().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn directories_that_the_archive_does_not_list_are_there_all_the_same() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    let made =
        house.shell("mkdir -p src/a/b && echo 1 > src/a/b/c && tar -cf src.tar -C src a/b/c");
    assert_eq!(made.code, 0, "{made:?}");
    serve(&mut house);
    house.mount();
    assert_eq!(
        house.shell("find mnt/tar/a -printf '%y%P '; echo"),
        Ran::said("d db fb/c ")
    );
}

#[test]
fn names_that_climb_lead_nowhere() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    // Stored with their first characters: `..`, `/`, and below a link that leads out.
    let made = house.shell(
        "set -e
         mkdir -p src/in; echo secret > outside; echo mine > src/in/file; ln -s / src/out; mkfifo src/pipe
         tar -P -cf src.tar ../$(basename $PWD)/outside $PWD/src/in/file -C src out in pipe
         mkdir src/other; echo more > src/other/etc; tar -rf src.tar --transform s,other,out, -C src other/etc
         ln src/in/file src/up; tar -P -rf src.tar --transform 'flags=h;s,.*,../../outside,' -C src in/file up",
    );
    assert_eq!(made.code, 0, "{made:?}");
    let mut child = house
        .command(TARFS)
        .args(["src.tar", "/tar"])
        .spawn()
        .unwrap();
    let complaints = child.stderr.take().unwrap();
    house.keep(child);
    support::until("it serves", || house.resolves("/tar"));
    house.mount();
    let base = house.base().display().to_string();
    let shown = house
        .shell("cd mnt/tar && find . -type f && find . -name '*..*' ! -name . && readlink out");
    let expected = format!(".{base}/src/in/file\n./in/file\n/");
    let mut lines: Vec<_> = shown.out.lines().collect();
    lines.sort_unstable();
    let mut expected: Vec<_> = expected.lines().collect();
    expected.sort_unstable();
    assert_eq!(lines, expected, "{shown:?}");
    drop(house);
    let mut said = String::new();
    std::io::Read::read_to_string(&mut { complaints }, &mut said).unwrap();
    assert!(said.contains("outside is left out"), "{said}");
    assert!(said.contains("pipe is left out"), "{said}");
    assert!(said.contains("out/etc is left out"), "{said}");
}

#[test]
fn a_damaged_archive_is_refused_with_a_sentence() {
    let house = House::new();
    archive(&house, "--format=gnu");
    let bytes = fs::read(house.base().join("src.tar")).unwrap();
    let damaged = |name: &str, bytes: &[u8]| fs::write(house.base().join(name), bytes).unwrap();
    let header = "a header is damaged, or this is no tar archive";
    refused(&house, "no", "No such file or directory (os error 2)");
    damaged("text", &b"no archive\n".repeat(100));
    refused(&house, "text", header);
    let mut flipped = bytes.clone();
    flipped[3] ^= 1;
    damaged("flipped", &flipped);
    refused(&house, "flipped", header);
    let large = bytes
        .windows(7)
        .position(|part| part == b"./large")
        .unwrap();
    damaged("cut", &bytes[..large + 2000]);
    refused(&house, "cut", "it ends in the middle of ./large");
    damaged("head", &bytes[..large + 100]);
    assert_eq!(house.run(TARFS, &["head", "/tar"]).code, 1);
}

#[test]
fn an_archive_is_not_read_into_memory() {
    let mut house = House::new();
    // 3 GB, which take no room on the disk.
    let made = house.shell("truncate -s 3G big && tar --format=gnu -cf - big | head -c 512 > src.tar && truncate -s 3221226496 src.tar");
    assert!(made.err.is_empty() || made.code == 0, "{made:?}");
    serve(&mut house);
    let pid = house.server().0.id();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kib < 200_000, "{kib} KiB");
}
