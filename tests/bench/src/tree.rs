//! `names/tree/…`: the tree alone, in this process, without a journal or a socket.
//!
//! - `names/tree/resolve/COUNT`: one path of four components among COUNT names, of which 1,000, drawn at random,
//!   are in use.
//! - `names/tree/resolve/COUNT/cold`: the same with all of them in use, so that no cache holds what is
//!   asked for; beside a read of one word of 128 MiB at random, than which nothing can be faster there.
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
use std::rc::Rc;
use std::time::Instant;

const FEW: usize = 1_000;
const MANY: usize = 1_000_000;
/// In a quick run.
const SOME: usize = 20_000;
/// Names of one directory.
const DIRECTORY: usize = 1_000;
/// Questions before they repeat: of names in use, and so many that what they touch is more than a cache holds.
const QUESTIONS: usize = 1_000;
const COLD_QUESTIONS: usize = 1 << 18;
/// Words of the memory that a cold name is compared with.
const WORDS: usize = 1 << 24;
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
    let (tree, small) = (Rc::new(tree), Rc::new(bench.unwatched(|| filled(FEW))?));
    let few = Resolve::new(&small, FEW, QUESTIONS)?;
    let used = Resolve::new(&tree, many, QUESTIONS)?;
    let all = bench.unwatched(|| Resolve::new(&tree, many, COLD_QUESTIONS))?;
    let memory = bench.unwatched(Memory::new);
    let mut subjects: Vec<Box<dyn Subject>> = vec![
        Box::new(few),
        Box::new(used),
        Box::new(all),
        Box::new(memory),
    ];
    let series = bench.measure("names/tree/resolve", &mut subjects)?;
    let [few, used, all, memory] = <[Series; 4]>::try_from(series)
        .map_err(|_| Failure::new("not all of the names were measured"))?;
    let small = |end| {
        let name = "1000 names";
        Against::new(
            Series {
                name,
                ..few.clone()
            },
            end,
        )
    };
    let name = format!("names/tree/resolve/{many}");
    let mut row = |case: &str, ours, against| {
        bench.report(Row {
            most: Some(RESOLVED),
            ..Row::new(case, Some(ours), against)
        });
    };
    row(&name, used, vec![small(Some(SLOWER))]);
    let beside = vec![small(None), Against::new(memory, None)];
    row(&format!("{name}/cold"), all, beside);
    row(&format!("names/tree/resolve/{FEW}"), few, Vec::new());
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

/// Numbers at random, the same in every run.
#[derive(Debug)]
struct Draw(u64);

impl Draw {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % count
    }
}

/// Questions one after the other.
#[derive(Debug)]
struct Resolve {
    tree: Rc<Tree>,
    paths: Vec<Pathname>,
    next: usize,
}

impl Resolve {
    fn new(tree: &Rc<Tree>, count: usize, questions: usize) -> Result<Self, Failure> {
        let mut draw = Draw(1);
        let paths = (0..questions).map(|_| Pathname::new(text(draw.below(count))));
        Ok(Self {
            tree: Rc::clone(tree),
            paths: paths.collect::<Result<_, _>>().doing("read a path")?,
            next: 0,
        })
    }
}

impl Subject for Resolve {
    fn name(&self) -> &'static str {
        "ours"
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

/// Words at random, each of which has a part in which one is next.
#[derive(Debug)]
struct Memory {
    words: Vec<u64>,
    draw: Draw,
    word: u64,
}

impl Memory {
    fn new() -> Self {
        let mut draw = Draw(7);
        let words = (0..WORDS).map(|_| draw.below(WORDS) as u64);
        Self {
            words: words.collect(),
            draw,
            word: 0,
        }
    }
}

impl Subject for Memory {
    fn name(&self) -> &'static str {
        "one read"
    }

    fn call(&mut self) -> Result<(), Failure> {
        for _ in 0..BATCH {
            let before = usize::try_from(self.word).unwrap_or(0);
            self.word = self.words[(self.draw.below(WORDS) + before) % WORDS];
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
