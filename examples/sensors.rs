//! Run `sensors`; then `sensors list`, `sensors get load/now`, `sensors set limit 70`, `sensors watch limit`; or,
//! where the namespace is mounted on /mnt, `ls -R /mnt/dev/sensors` and `echo lamp > /mnt/dev/sensors/plug`.
use resmgr::client::{self, PollFile, poll};
use resmgr::parts::{Text, Tree, TreeHandle};
use resmgr::prelude::*;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::{error::Error, sync::Arc, time::Instant};

const PATH: &str = "/dev/sensors";

/// A word of a file of the system's, asked for at each read.
fn word(file: &'static str, number: usize) -> Text {
    Text::try_get(move || {
        let text = std::fs::read_to_string(file)?;
        let word = text.split_whitespace().nth(number).ok_or(Errno::IO)?;
        Ok(format!("{word}\n"))
    })
}

/// A limit; who watches it is woken when it is set.
fn limit() -> Text {
    let value = Arc::new(AtomicU32::new(50));
    let shown = Arc::clone(&value);
    let limit = Text::get(move || format!("{}\n", shown.load(Relaxed))).set(move |text| {
        let number = text.parse().map_err(|_| Errno::INVAL)?;
        value.store(number, Relaxed);
        Ok(())
    });
    limit.watch();
    limit
}

/// What is written is the name of a sensor, which is there from then on: it tells since how many seconds.
fn plug(tree: TreeHandle) -> Text {
    Text::write_only(move |name| {
        let since = Instant::now();
        let age = Text::get(move || format!("{}\n", since.elapsed().as_secs()));
        tree.add(format!("plugged/{name}"), age)
    })
}

fn serve() -> Result<(), Box<dyn Error>> {
    let tree = Tree::new()
        .file("load/now", word("/proc/loadavg", 0))
        .file("uptime", word("/proc/uptime", 0))
        .file("limit", limit())
        .link("current", "load/now");
    let plug = plug(tree.handle());
    let tree = tree.file("plug", plug).check()?;
    Ok(Manager::new()?
        .attach_with(PATH, AttachFlags::DIR, tree)?
        .run()?)
}

fn get(file: &File) -> Result<()> {
    let mut text = [0; 64];
    let len = file.read_at(&mut text, 0)?;
    print!("{}", String::from_utf8_lossy(&text[..len]));
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let open = |name: &str, flags| client::open(format!("{PATH}/{name}"), flags);
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => serve()?,
        ["list"] => (client::list(PATH)?.iter()).for_each(|one| println!("{}", one.name.display())),
        ["get", name] => get(&open(name, OpenFlags::READ)?)?,
        ["set", name, value] => _ = open(name, OpenFlags::WRITE)?.write(value.as_bytes())?,
        ["watch", name] => {
            let file = open(name, OpenFlags::READ)?;
            while get(&file).is_ok() {
                poll(&mut [PollFile::new(&file, Conditions::INPUT)], None)?;
            }
        }
        _ => return Err("usage: sensors [list | get NAME | set NAME VALUE | watch NAME]".into()),
    }
    Ok(())
}
