//! What the figures were measured on: the header.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

/// Date, processors, kernel, as two lines of text.
pub(crate) fn header() -> String {
    let cpus = resmgr_sys::sched::online_cpus();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "resmgr-bench, {} UTC\n{} × {}, kernel {}\n",
        now(),
        cpus,
        processor(),
        kernel.trim()
    )
}

/// The processor's name; its architecture where the kernel has no name for it.
fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == "model name").then(|| value.trim().to_owned())
    });
    name.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    let (year, month, day) = civil(seconds / 86_400);
    let minutes = seconds % 86_400 / 60;
    format!(
        "{year}-{month:02}-{day:02} {:02}:{:02}",
        minutes / 60,
        minutes % 60
    )
}

/// The date of a day counted from 1970-01-01. Years begin in March here, so that a leap day is the last
/// day of its year and every month's length follows from its number.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let first = (153 * month + 2) / 5;
    let (next_year, month) = if month < 10 {
        (0, month + 3)
    } else {
        (1, month - 9)
    };
    (year + era * 400 + next_year, month, day - first + 1)
}

#[cfg(test)]
mod tests {
    use super::civil;

    #[test]
    fn days_become_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(59), (1970, 3, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(20_454), (2026, 1, 1));
    }
}
