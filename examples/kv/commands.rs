//! The device commands, for both sides.
use super::store::{Key, Store};
use resmgr::prelude::*;
use resmgr::wire::{Action, Exchange, Get};
use std::sync::Arc;

/// How many keys there are.
pub(crate) const COUNT: Get<u64> = Get::new(0x6b, 1);
/// Writes the log anew without what was replaced and removed, as each start does.
pub(crate) const COMPACT: Action = Action::new(0x6b, 2);
/// Another value if it is still the old one; brings 1 if it was.
pub(crate) const SWAP: Exchange<Swap, u32> = Exchange::new(0x6b, 3);

resmgr::plain_struct! {
    /// Two texts, with zeros behind them.
    pub(crate) struct Swap {
        old: [u8; 256],
        new: [u8; 256],
    }
}

/// What a client sends: two lines.
pub(crate) fn swap(old: &str, new: &str) -> Result<Swap> {
    let padded = |text: &str| -> Result<[u8; 256]> {
        let (mut room, line) = ([0; 256], format!("{text}\n"));
        let part = room.get_mut(..line.len()).ok_or(Errno::FBIG)?;
        part.copy_from_slice(line.as_bytes());
        Ok(room)
    };
    let (old, new) = (padded(old)?, padded(new)?);
    Ok(Swap { old, new })
}

/// What the server does.
pub(crate) fn command(
    store: &mut Store,
    (key, flags): (&Arc<Key>, OpenFlags),
    call: Call<'_, Control>,
) -> Result<Done> {
    if call.is(&COUNT) {
        call.output(&COUNT, &(store.keys.len() as u64))
    } else if call.is(&COMPACT) {
        store.log.compact().map_err(|_| Errno::IO)?;
        call.output(&COMPACT, &())
    } else if call.is(&SWAP) && flags.contains(OpenFlags::WRITE) {
        let Swap { old, new } = call.input(&SWAP)?;
        let text = |padded: [u8; 256]| padded.into_iter().take_while(|byte| *byte != 0);
        let same = text(old).eq(key.value().iter().copied());
        if same {
            store.set(key, &text(new).collect::<Vec<_>>())?;
        }
        call.output(&SWAP, &u32::from(same))
    } else {
        Err(Errno::NOTTY)
    }
}
