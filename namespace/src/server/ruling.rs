//! Which rules file holds, over all servers of a directory: the link `rules` in it names the file.
//!
//! Whoever finds nobody serving starts the next server, and knows nothing of rules. If that one went without
//! them, the death of a server would be the way around them. So a server follows the link, and one whose file is
//! no good does not serve.

use super::Ruling;
use crate::StartError;
use crate::directory::RuntimeDir;
use crate::rules::Rules;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

const LINK: &str = "rules";
const NEW: &str = "rules.new";

/// The rules of a file that was named: before the lock, since one with an error is refused before anything else
/// changes.
pub(super) fn first(ruling: &Ruling) -> Result<Rules, StartError> {
    match ruling {
        Ruling::File(file) => Ok(Rules::read(file)?),
        Ruling::Inherited | Ruling::Defaults => Ok(Rules::default()),
    }
}

/// The rules that hold, and their file. The lock is held: what is decided here is noted for the successor.
pub(super) fn settle(
    dir: &RuntimeDir,
    ruling: Ruling,
    first: Rules,
) -> Result<(Rules, Option<PathBuf>), StartError> {
    let failed = |error: std::io::Error| StartError::system("note the rules of", dir.path(), error);
    let link = dir.entry(LINK);
    match ruling {
        Ruling::File(file) => {
            remove(dir, NEW).map_err(failed)?;
            symlink(&file, dir.entry(NEW)).map_err(failed)?;
            fs::rename(dir.entry(NEW), link).map_err(failed)?;
            Ok((first, Some(file)))
        }
        Ruling::Defaults => {
            remove(dir, LINK).map_err(failed)?;
            Ok((first, None))
        }
        Ruling::Inherited => match fs::read_link(link) {
            Ok(file) => Ok((Rules::read(&file)?, Some(file))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok((first, None)),
            Err(error) => Err(failed(error)),
        },
    }
}

fn remove(dir: &RuntimeDir, name: &str) -> std::io::Result<()> {
    match fs::remove_file(dir.entry(name)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
