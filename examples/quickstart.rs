//! Run `quickstart`: it starts a resource manager in a process of its own, uses it from other processes in
//! every way that there is, says what came back, and leaves nothing behind, also after Ctrl-C.
#![forbid(unsafe_code)]

#[path = "quickstart/client.rs"]
mod client;
#[path = "quickstart/server.rs"]
mod server;
#[path = "quickstart/stage.rs"]
mod stage;

use stage::{Result, Stage};
use std::process::ExitCode;

/// The file that the manager serves, and the name under which it takes messages.
const FILE: &str = "/dev/note";
const NAME: &str = "note";

/// The same program plays every part: the part is its first word.
fn main() -> ExitCode {
    let played = match std::env::args().nth(1).as_deref() {
        None => show(),
        Some("server") => server::serve(),
        Some("by-message") => client::by_message(),
        Some("by-calls") => client::by_calls(),
        Some(_) => Err("usage: quickstart".into()),
    };
    let Err(error) = played else {
        return ExitCode::SUCCESS;
    };
    eprintln!("quickstart: {error}");
    ExitCode::FAILURE
}

fn show() -> Result<()> {
    let mut stage = Stage::new()?;

    stage.step("A resource manager, in a process of its own");
    stage.serve()?;
    stage.tool("resmgrctl", &["ls", "-R", "/dev"])?;

    stage.step("By message: a connection to a name, and an answer to each message");
    stage.play("by-message")?;

    stage.step("By the calls of files: open, read, write, lseek, stat, devctl, close");
    stage.play("by-calls")?;

    stage.step("By any program, through a mount");
    match stage.mount()? {
        Ok(()) => through_the_mount(&stage)?,
        Err(why) => println!("   no mount here: {why}"),
    }

    stage.step("The end: the mount, the manager and the namespace go");
    stage.clear();
    println!("   done, and nothing is left");
    Ok(())
}

fn through_the_mount(stage: &Stage) -> Result<()> {
    stage.shell("ls -l mnt/dev/note")?;
    stage.shell("cat mnt/dev/note")?;
    stage.shell("echo 'written by echo' > mnt/dev/note")?;
    stage.shell("head -c 7 mnt/dev/note")?;
    stage.shell("dd if=/dev/zero of=mnt/dev/note bs=64K count=64")?;
    stage.shell("dd if=mnt/dev/note of=copy bs=1M")?;
    stage.shell("cmp -n 4194304 mnt/dev/note /dev/zero")
}
