//! `names/tree/…`: the tree alone, in this process, without a journal or a socket.
//!
//! - `names/tree/resolve/COUNT`: one path of four components among COUNT names. The paths are drawn at random
//!   from all of them and are as many for every COUNT, so that what reading the question costs is the same.
//! - `names/tree/attach-all/COUNT`: registering all of them.
//! - `names/tree/bytes/COUNT`: resident memory for each, its text included.
//! - `names/tree/list/COUNT`: one name in a listing of a directory of COUNT names, page by page.

use crate::bench::Bench;
use crate::failure::{Doing, Failure};
use crate::measure::{Series, Subject, Summary};
use crate::placement::Placement;
use crate::report::{Against, End, Row, Unit};
use resmgr_namespace::tree::Tree;
use resmgr_namespace::{AttachFlags, AttachId, FileType, Pathname, registration::Registration};
use std::time::Instant;

const FEW: usize = 1_000;
const MANY: usize = 1_000_000;
/// In a quick run.
const SOME: usize = 20_000;
/// Names of one directory.
const DIRECTORY: usize = 1_000;
/// Questions before they repeat: what they touch is more than a cache holds.
const QUESTIONS: usize = 1 << 18;
/// Questions between two looks at the clock.
const BATCH: u32 = 64;
const LISTED: usize = 100_000;
const PAGE: usize = 1_024;
const PAGE_SIZE: f64 = 4096.0;

/// What is asked for: a resolution in ns, and beside the small tree; attaching all, in ns; bytes.
const RESOLVED: f64 = 1_000.0;
const SLOWER: End = End::Times(2.0);
const ATTACHED: f64 = 1e10;
const BYTES: f64 = 300.0;

/// Measures what was asked for.
pub(crate) fn cases(bench: &mut Bench) -> Result<(), Failure> {
    if !bench.wants("names/tree/") || bench.place(Placement::OneCore)?.is_none() {
        return Ok(());
    }
    let (many, listed) = if bench.is_quick() {
        (SOME, SOME)
    } else {
        (MANY, LISTED)
    };
    let begun = (resident()?, Instant::now());
    let tree = bench.unwatched(|| filled(many))?;
    let (took, after) = (begun.1.elapsed(), resident()?);
    #[expect(clippy::cast_precision_loss)] // far fewer than 2⁵³
    let bytes = (after - begun.0) * PAGE_SIZE / many as f64;
    let once = |figure| Series::once("ours", figure);
    bench.report(Row::limited(
        format!("names/tree/attach-all/{many}"),
        once(took.as_secs_f64() * 1e9),
        Unit::Nanoseconds,
        ATTACHED,
    ));
    let case = format!("names/tree/bytes/{many}");
    bench.report(Row::limited(case, once(bytes), Unit::Bytes, BYTES));
    resolve(bench, tree, many)?;
    list(bench, listed)
}

fn resolve(bench: &mut Bench, tree: Tree, many: usize) -> Result<(), Failure> {
    let few = bench.unwatched(|| Resolve::new("ours", filled(FEW)?, FEW))?;
    let many_names = bench.unwatched(|| Resolve::new("ours", tree, many))?;
    let mut subjects: Vec<Box<dyn Subject>> = vec![Box::new(many_names), Box::new(few)];
    let mut series = bench.measure("names/tree/resolve", &mut subjects)?;
    let (Some(few), Some(many_names)) = (series.pop(), series.pop()) else {
        return Err(Failure::new("nothing was measured"));
    };
    let name = |count| format!("names/tree/resolve/{count}");
    let reference = Series {
        name: "1000 names",
        ..few.clone()
    };
    bench.report(Row::limited(name(FEW), few, Unit::Nanoseconds, RESOLVED));
    let against = vec![Against::new(reference, Some(SLOWER))];
    bench.report(Row {
        most: Some(RESOLVED),
        ..Row::new(name(many), Some(many_names), against)
    });
    Ok(())
}

fn list(bench: &mut Bench, count: usize) -> Result<(), Failure> {
    let mut tree = Tree::new();
    for number in 0..count {
        attach(&mut tree, &format!("/dev/bench/n{number}"), number)?;
    }
    let path = Pathname::new("/dev/bench").doing("read a path")?;
    let subject = List {
        tree,
        path,
        last: Vec::new(),
    };
    let case = format!("names/tree/list/{count}");
    let series = bench.measure(&case, &mut [Box::new(subject)])?.pop();
    bench.report(Row::new(case, series, Vec::new()));
    Ok(())
}

fn text(number: usize) -> String {
    format!("/dev/bench/d{}/n{}", number / DIRECTORY, number % DIRECTORY)
}

fn filled(count: usize) -> Result<Tree, Failure> {
    let mut tree = Tree::new();
    for number in 0..count {
        attach(&mut tree, &text(number), number)?;
    }
    Ok(tree)
}

fn attach(tree: &mut Tree, path: &str, number: usize) -> Result<(), Failure> {
    let path = Pathname::new(path).doing("read a path")?;
    let one = Registration {
        id: AttachId(number as u64 + 1),
        pid: 1,
        chid: 1,
        handle: 0,
        file_type: FileType::ANY,
        flags: AttachFlags::empty(),
    };
    tree.attach(&path, one, true).doing("register a name")
}

/// Pages of this process.
fn resident() -> Result<f64, Failure> {
    let text = std::fs::read_to_string("/proc/self/statm").doing("read statm")?;
    let pages = text.split(' ').nth(1).and_then(|field| field.parse().ok());
    pages.ok_or_else(|| Failure::new("statm says nothing"))
}

/// Questions one after the other.
#[derive(Debug)]
struct Resolve {
    name: &'static str,
    tree: Tree,
    paths: Vec<Pathname>,
    next: usize,
}

impl Resolve {
    fn new(name: &'static str, tree: Tree, count: usize) -> Result<Self, Failure> {
        // A generator with a fixed beginning: every run asks the same.
        let mut state = 1_u64;
        let mut draw = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap_or(0) % count
        };
        let paths = (0..QUESTIONS).map(|_| Pathname::new(text(draw())));
        let paths = paths.collect::<Result<_, _>>().doing("read a path")?;
        Ok(Self {
            name,
            tree,
            paths,
            next: 0,
        })
    }
}

impl Subject for Resolve {
    fn name(&self) -> &'static str {
        self.name
    }

    fn call(&mut self) -> Result<(), Failure> {
        for _ in 0..BATCH {
            self.next = (self.next + 1) % self.paths.len();
            let entries = self.tree.resolve(&self.paths[self.next], FileType::ANY, 2);
            match entries.doing("resolve a name")?.len() {
                1 => {}
                count => return Err(Failure::new(format!("{count} entries for one name"))),
            }
        }
        Ok(())
    }

    fn summary(&self) -> Summary {
        Summary::Mean
    }

    fn parts(&self) -> u32 {
        BATCH
    }
}

/// The pages of a directory, again and again.
#[derive(Debug)]
struct List {
    tree: Tree,
    path: Pathname,
    last: Vec<u8>,
}

impl Subject for List {
    fn name(&self) -> &'static str {
        "ours"
    }

    fn call(&mut self) -> Result<(), Failure> {
        let page = self.tree.list(&self.path, &self.last, PAGE);
        let mut page = page.doing("list a directory")?;
        let last = page.names.pop().filter(|_| page.more);
        self.last = last.map_or(Vec::new(), |name| name.name);
        Ok(())
    }

    fn summary(&self) -> Summary {
        Summary::Mean
    }

    fn parts(&self) -> u32 {
        1_024
    }
}
