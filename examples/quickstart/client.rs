//! The clients. Each is a process of its own, and says what it does and what came back.

use super::server::LINES;
use super::stage::Result;
use super::{FILE, NAME};
use resmgr::prelude::*;
use resmgr::{client, name_close, name_open};
use std::io::SeekFrom;

/// Prints one call and its result.
fn said(call: &str, result: impl std::fmt::Display) {
    println!("{call:<34} -> {result}");
}

fn introduce() {
    println!("pid {} is the client", std::process::id());
}

fn shown(bytes: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(bytes))
}

pub(super) fn by_message() -> Result<()> {
    introduce();
    let connection = name_open(NAME)?;
    said(&format!("name_open({NAME:?})"), "connected");
    for line in ["first line", "second line"] {
        let mut reply = [0; 256];
        let answer = connection.send(line.as_bytes(), &mut reply)?;
        let text = shown(&reply[..answer.len]);
        said(
            &format!("send({line:?})"),
            format!("status {}, {text}", answer.status),
        );
    }
    name_close(connection);
    Ok(())
}

pub(super) fn by_calls() -> Result<()> {
    introduce();
    let file = client::open(FILE, OpenFlags::READ | OpenFlags::WRITE)?;
    said(&format!("open({FILE:?})"), "open for reading and writing");

    let mut buffer = [0; 256];
    let len = file.read(&mut buffer)?;
    said("read()", shown(&buffer[..len]));

    let end = file.seek(SeekFrom::End(0))?;
    said("lseek(0, SEEK_END)", end);
    said("write(\"third line\\n\")", file.write(b"third line\n")?);
    said("stat().size", file.stat()?.size);
    said("devctl(LINES)", file.devctl_get::<u64>(LINES)?);

    let unknown = file.devctl(Dcmd::none(0, 0), &mut []);
    said("devctl(a command it has not)", refusal(&unknown));
    file.close()?;
    said("close()", "closed");
    said(
        "open(\"/dev/nobody\")",
        refusal(&client::open("/dev/nobody", OpenFlags::READ)),
    );
    Ok(())
}

fn refusal<T>(result: &resmgr::Result<T>) -> String {
    match result {
        Ok(_) => "success, which was not expected".into(),
        Err(errno) => format!("{errno:?}: {errno}"),
    }
}
