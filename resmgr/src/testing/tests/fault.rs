//! What a resource of the tests does wrong.

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// Reads behind the end fail.
    EndIsError,
    /// The first read of an open begins at 0, wherever it should.
    ReadsAtStart,
    /// Short writes inside go to 0, wherever they should.
    WritesAtStart,
    /// What a short buffer has no room for is lost.
    DropsRest,
    /// The last byte of a page is lost in short reads.
    LosesAtPage,
    /// O_APPEND is taken for nothing.
    AppendsAtStart,
    /// An open for writing cuts the file.
    OpenCuts,
    /// O_TRUNC cuts nothing.
    KeepsWhenEmptied,
    /// What becomes longer by truncate is filled with x.
    FillsWhenLonger,
    /// What a write skips is filled with x.
    FillsHole,
    /// The end is one further than it is.
    SizeIsWrong,
    /// The size is never more than 7.
    SizeStays,
    /// A hole is nowhere.
    NoHoles,
    /// The opens of a file share where they read first.
    OnePosition,
    /// A duplicate begins at the start.
    DuplicateStarts,
    /// The time of the last write stays.
    WriteTimeStays,
    /// The time of the last read stays.
    ReadTimeStays,
    /// The time of the last change stays.
    ChangeTimeStays,
    /// Times are not set.
    IgnoresTimes,
    /// Only the first bytes of a long write come.
    LosesTail,
    /// Offsets have 32 bits.
    Wraps,
    /// A file goes with the client that wrote it.
    GoesWithClient,
    /// Opens are refused to others.
    RefusesOthers,
    /// Permissions are not changed.
    ModeStays,
    /// Each stat has another number.
    NumberMoves,
    /// No file has a name.
    NoNames,
    /// Every device command does something.
    TakesCommands,
    /// The first close of a duplicate ends the open.
    EndsAtFirstClose,
    /// It is never ready.
    NeverReady,
    /// lookup() finds what is missing.
    FindsAll,
    /// Directories are files.
    DirIsFile,
    /// remove_dir() leaves the name.
    KeepsRemoved,
    /// remove_dir() takes full directories.
    RemovesFull,
    /// read_dir() leaves an entry out at the beginning of each piece.
    SkipsEntries,
    /// read_dir() counts.
    CookiesAreCounts,
    /// A file's bytes go with its last name.
    UnlinkEmpties,
    /// A file's bytes go when another one takes its name.
    RenameEmpties,
    /// rename() copies.
    RenameCopies,
    /// rename() looks at nothing.
    RenamesBlindly,
    /// link() copies.
    LinkCopies,
    /// Links have another text.
    LinkText,
    /// Links lead somewhere.
    RefusesDangling,
    /// Names have 64 bytes.
    ShortNames,
    /// New files are everybody's.
    MadeForAll,
    /// Directories' times stay.
    DirTimesStay,
    /// rename() takes two steps.
    RenameGap,
    /// create() looks, and then makes.
    CreateGap,
    /// remove_dir() looks, and then removes.
    RemoveGap,
    /// O_APPEND means the end as it was at open().
    AppendsFromOpen,
    /// write() reads all, changes it and writes it back.
    WriteGap,
    /// Reads are answered when the next one comes.
    AnswersLate,
    /// Blocked reads stay.
    KeepsBlocked,
    /// Blocked reads end with data when they should be let go.
    EndsWell,
    /// O_NONBLOCK blocks.
    AlwaysBlocks,
    /// After a death with blocked reads it is broken.
    DiesWithClient,
    /// It is always ready.
    AlwaysReady,
    /// Nobody is woken.
    WakesNobody,
    /// Only readers are woken.
    TellsNobody,
    /// Data go to reads that have been let go.
    FeedsTheGone,
}
