//! Run `kv FILE`; then `kv add key`, and, where the namespace is mounted on /mnt, `echo key value > /mnt/dev/kv` and
//! `cat /mnt/dev/kv`. What was answered is in FILE, and there again after kill -9: each change waits for the disk, a
//! millisecond or so where that is flash.
use redb::{Database, ReadableDatabase, ReadableTable, Table, TableDefinition};
use resmgr::{client, prelude::*, wire::Exchange};

const PATH: &str = "/dev/kv";
const VALUES: TableDefinition<'_, &str, &str> = TableDefinition::new("values");
/// Makes a key's value the next number, and brings that. Behind the key are zeros.
const ADD: Exchange<[u8; 64], u64> = Exchange::new(0x6b, 1);

struct Store(Database);
type Kept<T> = Result<T, redb::Error>;

impl Store {
    fn show(&self) -> Kept<String> {
        let mut all = String::new();
        for one in self.0.begin_read()?.open_table(VALUES)?.iter()? {
            let (key, value) = one?;
            all.extend([key.value(), " ", value.value(), "\n"]);
        }
        Ok(all)
    }
    /// All of a change is on the disk when this returns, or nothing.
    fn change<T>(&self, make: impl FnOnce(&mut Table<'_, &str, &str>) -> Kept<T>) -> Kept<T> {
        let change = self.0.begin_write()?;
        let made = make(&mut change.open_table(VALUES)?)?;
        change.commit()?;
        Ok(made)
    }
}

impl Device for Store {
    fn read(&self, at: &At, buf: &mut [u8]) -> Result<usize> {
        at.copy(self.show().map_err(|_| Errno::IO)?.as_bytes(), buf)
    }
    /// Each line is a key and its value, or a key that goes.
    fn write(&self, _at: &At, data: &[u8]) -> Result<usize> {
        let lines = str::from_utf8(data).map_err(|_| Errno::INVAL)?.lines();
        let set = self.change(|values| {
            for line in lines {
                match line.split_once(' ') {
                    Some((key, value)) => drop(values.insert(key, value)?),
                    None => drop(values.remove(line)?),
                }
            }
            Ok(data.len())
        });
        set.map_err(|_| Errno::IO)
    }
    fn devctl(&self, _at: &At, command: Devctl<'_>) -> Result<i32> {
        if !command.is(&ADD) {
            return Err(Errno::NOTTY);
        }
        let padded = command.input(&ADD)?;
        let key = str::from_utf8(&padded).map_err(|_| Errno::INVAL)?;
        let key = key.trim_end_matches('\0');
        let next = self.change(|values| {
            let now = values.get(key)?.and_then(|now| now.value().parse().ok());
            let next = now.map_or(1, |now: u64| now.wrapping_add(1));
            values.insert(key, &*next.to_string())?;
            Ok(next)
        });
        command.output(&ADD, &next.map_err(|_| Errno::IO)?)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    if let [file] = &words[..] {
        let store = Store(Database::create(file)?);
        store.change(|_| Ok(()))?;
        return Ok(Manager::new()?.attach(PATH, store)?.run()?);
    }
    let key = words.get(1).ok_or("usage: kv FILE | add KEY")?.as_bytes();
    let padded = std::array::from_fn(|at| key.get(at).copied().unwrap_or(0));
    let file = client::open(PATH, OpenFlags::WRITE)?;
    println!("{}", file.command(&ADD, &padded)?);
    Ok(())
}
