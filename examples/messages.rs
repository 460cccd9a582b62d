//! Run `messages`; then `messages upper "good day"` and `messages sum 1 2 3`. A file that takes messages of its own:
//! they go to the open that the client has, with everything else that files have.
use resmgr::client;
use resmgr::prelude::*;
use resmgr::wire::Msg;
use std::error::Error;

const PATH: &str = "/dev/messages";
/// Whose messages these are: a number from 0xF000 on.
const MANAGER: u16 = 0xF0A0;
/// Takes text, and brings it back in capital letters.
const UPPER: u16 = 1;
/// Takes numbers of 4 bytes; the status is their sum.
const SUM: u16 = 2;

struct Messages;

impl Resource for Messages {
    type Node = ();
    type Open = ();

    fn root(&self) {}
    fn attr(&self, (): &()) -> Result<Attr> {
        Ok(Attr::device(0o666))
    }
    fn open(&self, (): &(), _how: &Opening) -> Result<()> {
        Ok(())
    }
    fn msg(&self, _ocb: &Ocb, call: Call<'_, Private>) -> Result<Done> {
        match (call.manager(), call.subtype()) {
            (MANAGER, UPPER) => {
                let text = call.data().to_ascii_uppercase();
                call.reply(0, &text)
            }
            (MANAGER, SUM) => {
                let (numbers, rest) = call.data().as_chunks();
                if !rest.is_empty() {
                    return Err(Errno::INVAL);
                }
                let numbers = numbers.iter().map(|one| u32::from_ne_bytes(*one));
                let sum = numbers.map(i64::from).sum();
                call.reply(sum, &[])
            }
            _ => Err(Errno::NOSYS),
        }
    }
}

fn message(subtype: u16, data: &[u8], room: &mut [u8]) -> Result<(i64, usize)> {
    let file = client::open(PATH, OpenFlags::READ)?;
    let manager = MANAGER;
    let reply = file.message(Msg { manager, subtype }, data, room)?;
    Ok((reply.status, reply.len))
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Manager::new()?.attach(PATH, Messages)?.run()?,
        ["upper", text] => {
            let mut room = [0; 200];
            let (_, len) = message(UPPER, text.as_bytes(), &mut room)?;
            println!("{}", String::from_utf8_lossy(&room[..len]));
        }
        ["sum", ref numbers @ ..] => {
            let numbers = numbers.iter().map(|one| one.parse().map(u32::to_ne_bytes));
            let data = numbers.collect::<Result<Vec<_>, _>>()?.concat();
            println!("{}", message(SUM, &data, &mut [])?.0);
        }
        _ => return Err("usage: messages [upper TEXT | sum N...]".into()),
    }
    Ok(())
}
