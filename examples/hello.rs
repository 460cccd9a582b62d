//! Run `hello`, and in another terminal `mount.resmgr /mnt`:
//! then `cat /mnt/dev/hello` and `echo hi > /mnt/dev/hello`.
use resmgr::prelude::*;

struct Hello;

impl Device for Hello {
    fn read(&self, at: &At, buf: &mut [u8]) -> Result<usize> {
        at.copy(b"Hello, world!\n", buf)
    }
    fn write(&self, _at: &At, data: &[u8]) -> Result<usize> {
        print!("{}", String::from_utf8_lossy(data));
        Ok(data.len())
    }
}

fn main() -> Result<(), StartError> {
    Manager::new()?.attach("/dev/hello", Hello)?.run()
}
