//! Which fault each check of the contract is for.

use super::fault::Fault;

/// A fault, the check that is there for it, and the checks that notice it, too.
pub(super) type Row = (Fault, &'static str, &'static [&'static str]);

/// Faults of a tree, and of the files in it.
pub(super) const TREE: &[Row] = &[
    (Fault::EndIsError, "a read at the end gives 0 bytes", &[]),
    (
        Fault::ReadsAtStart,
        "reads and writes move the position",
        &[
            "a read or write at an offset leaves the position",
            "what is too far away is refused, and harms nothing",
        ],
    ),
    (
        Fault::WritesAtStart,
        "a read or write at an offset leaves the position",
        &[],
    ),
    (
        Fault::DropsRest,
        "a read into a short buffer leaves the rest",
        &[],
    ),
    (
        Fault::LosesAtPage,
        "a file is the same in pieces of any size",
        &[],
    ),
    (
        Fault::AppendsAtStart,
        "O_APPEND writes at the end",
        &["two who append lose nothing of each other"],
    ),
    (
        Fault::OpenCuts,
        "an open for writing changes nothing by itself",
        &[
            "O_APPEND writes at the end",
            "a file can be cut and made longer, with zeros",
            "a read moves the time of the last read",
            "a read or write at an offset leaves the position",
            "a write behind the end leaves zeros before it",
            "the size is that of what was written",
            "what is too far away is refused, and harms nothing",
        ],
    ),
    (Fault::KeepsWhenEmptied, "O_TRUNC cuts the file", &[]),
    (
        Fault::FillsWhenLonger,
        "a file can be cut and made longer, with zeros",
        &[],
    ),
    (
        Fault::FillsHole,
        "a write behind the end leaves zeros before it",
        &[],
    ),
    (
        Fault::SizeIsWrong,
        "lseek moves as POSIX says",
        &[
            "O_APPEND writes at the end",
            "O_TRUNC cuts the file",
            "SEEK_DATA and SEEK_HOLE find data, and the end",
            "a file can be cut and made longer, with zeros",
            "a file that is unlinked stays while it is open",
            "an open for writing changes nothing by itself",
            "the size is that of what was written",
            "what is too far away is refused, and harms nothing",
        ],
    ),
    (
        Fault::NoHoles,
        "SEEK_DATA and SEEK_HOLE find data, and the end",
        &[],
    ),
    (Fault::OnePosition, "an open has a position of its own", &[]),
    (
        Fault::DuplicateStarts,
        "a duplicate shares the position",
        &[],
    ),
    (
        Fault::SizeStays,
        "the size is that of what was written",
        &["two who append lose nothing of each other"],
    ),
    (Fault::LosesTail, "long transfers arrive whole", &[]),
    (
        Fault::Wraps,
        "what is too far away is refused, and harms nothing",
        &[],
    ),
    (
        Fault::GoesWithClient,
        "what a dead client has written stays",
        &[],
    ),
    (
        Fault::IgnoresTimes,
        "times are set, and told as they were set",
        &[],
    ),
    (
        Fault::WriteTimeStays,
        "a write moves the time of the last write, a read does not",
        &[],
    ),
    (
        Fault::ReadTimeStays,
        "a read moves the time of the last read",
        &[],
    ),
    (
        Fault::ChangeTimeStays,
        "chmod moves the time of the last change",
        &[],
    ),
    (
        Fault::RefusesOthers,
        "the permission bits say who may open",
        &[],
    ),
    (
        Fault::ModeStays,
        "chmod changes the permission bits, and nothing else",
        &[],
    ),
    (
        Fault::NumberMoves,
        "stat by path and by open agree",
        &[
            "a duplicate outlives its first",
            "a second name leads to the same file",
            "a symbolic link has its text, and leads there",
            "rename moves a file and replaces another",
        ],
    ),
    (
        Fault::NoNames,
        "stat by path and by open agree",
        &["a second name leads to the same file"],
    ),
    (
        Fault::TakesCommands,
        "an unknown device command is ENOTTY",
        &[],
    ),
    (
        Fault::EndsAtFirstClose,
        "a duplicate outlives its first",
        &[],
    ),
    (Fault::NeverReady, "poll says what a read finds", &[]),
    (Fault::FindsAll, "a name that is not there is ENOENT", &[]),
    (
        Fault::DirIsFile,
        "a directory is not written",
        &[
            "a directory is read whole, in pieces of any size",
            "a directory is unlinked by rmdir only",
            "a directory that changes is read without loss",
            "a directory with names in it stays",
            "a new file has the permissions and owner that it should",
            "names are kept, whatever bytes they have",
            "new names and lost ones move their directory's times",
            "nothing is made in a directory that goes",
            "of two who make a name one does",
            "rename moves a file and replaces another",
            "rename refuses what it must",
        ],
    ),
    (
        Fault::KeepsRemoved,
        "a directory is unlinked by rmdir only",
        &[],
    ),
    (
        Fault::RemovesFull,
        "a directory with names in it stays",
        &[],
    ),
    (
        Fault::SkipsEntries,
        "a directory is read whole, in pieces of any size",
        &["a directory that changes is read without loss"],
    ),
    (
        Fault::CookiesAreCounts,
        "a directory that changes is read without loss",
        &[],
    ),
    (
        Fault::UnlinkEmpties,
        "a file that is unlinked stays while it is open",
        &["a second name leads to the same file"],
    ),
    (
        Fault::RenameEmpties,
        "a file that is replaced stays while it is open",
        &[],
    ),
    (
        Fault::RenameCopies,
        "rename moves a file and replaces another",
        &[],
    ),
    (Fault::RenamesBlindly, "rename refuses what it must", &[]),
    (
        Fault::LinkCopies,
        "a second name leads to the same file",
        &[],
    ),
    (
        Fault::LinkText,
        "a symbolic link has its text, and leads there",
        &["a symbolic link may lead nowhere, or to itself"],
    ),
    (
        Fault::RefusesDangling,
        "a symbolic link may lead nowhere, or to itself",
        &[],
    ),
    (
        Fault::ShortNames,
        "names are kept, whatever bytes they have",
        &[],
    ),
    (
        Fault::MadeForAll,
        "a new file has the permissions and owner that it should",
        &[],
    ),
    (
        Fault::DirTimesStay,
        "new names and lost ones move their directory's times",
        &[],
    ),
    (
        Fault::RenameGap,
        "rename replaces without a time between",
        &[],
    ),
    (Fault::CreateGap, "of two who make a name one does", &[]),
    (
        Fault::RemoveGap,
        "nothing is made in a directory that goes",
        &[],
    ),
    (
        Fault::AppendsFromOpen,
        "two who append lose nothing of each other",
        &[],
    ),
    (
        Fault::WriteGap,
        "two who write to different places both do",
        &[],
    ),
    (Fault::AnswersLate, "reads of one open come in order", &[]),
];

/// Faults of a device whose reads wait.
pub(super) const LINE: &[Row] = &[
    (Fault::AlwaysBlocks, "O_NONBLOCK does not block", &[]),
    (
        Fault::KeepsBlocked,
        "a blocked read is let go with EINTR, and goes again",
        &[
            "a read that nobody waits for any more takes nothing",
            "the death of a blocked client hurts nobody",
        ],
    ),
    (
        Fault::EndsWell,
        "a blocked read is let go with EINTR, and goes again",
        &["the death of a blocked client hurts nobody"],
    ),
    (
        Fault::DiesWithClient,
        "the death of a blocked client hurts nobody",
        &[
            "a blocked read ends when data come",
            "a read that nobody waits for any more takes nothing",
            "who polls is told when data come",
        ],
    ),
    (Fault::AlwaysReady, "poll says what a read finds", &[]),
    (
        Fault::WakesNobody,
        "a blocked read ends when data come",
        &[],
    ),
    (Fault::TellsNobody, "who polls is told when data come", &[]),
    (
        Fault::FeedsTheGone,
        "a read that nobody waits for any more takes nothing",
        &[
            "a blocked read ends when data come",
            "who polls is told when data come",
        ],
    ),
];

/// Faults of a tree whose handlers are tasks.
pub(super) const AWAITED_TREE: &[Row] = &[
    (
        Fault::RenameGap,
        "rename replaces without a time between",
        &[],
    ),
    (Fault::CreateGap, "of two who make a name one does", &[]),
    (
        Fault::WriteGap,
        "two who write to different places both do",
        &[],
    ),
];

/// Faults of a waiting device whose handlers are tasks.
pub(super) const AWAITED_LINE: &[Row] = &[
    (Fault::AlwaysBlocks, "O_NONBLOCK does not block", &[]),
    (
        Fault::FeedsTheGone,
        "a read that nobody waits for any more takes nothing",
        &[
            "a blocked read ends when data come",
            "who polls is told when data come",
        ],
    ),
];
