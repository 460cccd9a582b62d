//! The file system in memory, as programs use it: through the mount, and by its own path.

mod support;

use support::{House, Ran, can_mount};

const MEMFS: &str = env!("CARGO_BIN_EXE_memfs");

#[test]
fn memfs_holds_what_ordinary_programs_put_into_it() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    let _output = house.serve(MEMFS, &[], "/mem");
    house.mount();
    let made = house.shell(
        "set -e
         mkdir -p src/deep/er mnt/mem/work
         head -c 300000 /dev/urandom > src/data; echo text > src/deep/er/file
         ln -s deep/er/file src/link; ln src/data src/deep/second
         cp -a src mnt/mem/work/ && diff -r src mnt/mem/work/src
         cd mnt/mem/work/src
         test $(stat -c %h data) = 2 && test \"$(cat link)\" = text
         mv deep moved && test ! -e link && ln -sf moved/er/file link && cat link
         echo more >> link && test $(stat -c %s link -L) = 10
         chmod 600 data && test $(stat -c %a data) = 600
         truncate -s 10 data && cmp -n 10 data moved/second
         cd .. && rm -r src && rmdir ../work && ls -A ..",
    );
    assert_eq!((made.code, made.out.as_str()), (0, "text\n"), "{made:?}");
}

#[test]
fn memfs_is_full_when_it_is_full() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    let _output = house.serve(MEMFS, &["/small", "64K"], "/small");
    house.mount();
    let full = house.shell("head -c 100000 /dev/zero > mnt/small/file");
    assert!(full.err.contains("No space left on device"), "{full:?}");
    let again =
        house.shell("rm mnt/small/file && echo fits > mnt/small/file && cat mnt/small/file");
    assert_eq!(again, Ran::said("fits"));
}
