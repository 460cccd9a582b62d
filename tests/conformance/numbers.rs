//! The numbers that programs see are QNX's (1.1 to 1.11), whatever the names.

use resmgr::ipc::{
    ChannelFlags, ClientFlags, Coid, ConnectFlags, EventFlags, MessageFlags, PulseCode, PulseFlags,
    Scoid, TimeoutStates,
};

/// Each flag of a type with its number, in the order of the numbers.
macro_rules! numbers {
    ($flags:ident) => {{
        let named = $flags::all().iter_names();
        let all = named.map(|(name, flag)| (name, u64::from(flag.bits())));
        all.collect::<Vec<_>>()
    }};
}

#[test]
fn flags_have_the_numbers_of_qnx() {
    let channel = [
        ("FIXED_PRIORITY", 0x1),
        ("UNBLOCK", 0x2),
        ("THREAD_DEATH", 0x4),
        ("DISCONNECT", 0x8),
        ("NET_MSG", 0x10),
        ("SENDER_LEN", 0x20),
        ("COID_DISCONNECT", 0x40),
        ("REPLY_LEN", 0x80),
        ("PULSE_POOL", 0x100),
        ("PRIVATE", 0x1000),
        ("MSG_PAUSING", 0x2000),
        ("INHERIT_RUNMASK", 0x4000),
        ("UNBLOCK_TIMER", 0x8000),
    ];
    assert_eq!(numbers!(ChannelFlags), channel);
    let connect = [
        ("CLOEXEC", 0x1),
        ("DEAD", 0x2),
        ("NOINHERIT", 0x4),
        ("NOSHARE", 0x40),
        ("NOEVENT", 0x800),
        ("INSECURE", 0x1000),
        ("REG_EVENTS", 0x2000),
    ];
    assert_eq!(numbers!(ConnectFlags), connect);
    let pulse = [("IF_UNIQUE", 0x1000), ("REPLACE", 0x2000)];
    assert_eq!(numbers!(PulseFlags), pulse);
    let message = [
        ("ENDIAN_BIG", 0x1),
        ("UNBLOCK_REQ", 0x100),
        ("BITS_64", 0x1000),
    ];
    assert_eq!(numbers!(MessageFlags), message);
    let client = [
        ("ENDIAN_BIG", 0x1),
        ("BACKGROUND", 0x4),
        ("STOPPED", 0x80),
        ("FULL_GROUPS", 0x8000_0000),
    ];
    assert_eq!(numbers!(ClientFlags), client);
    let states = [("SEND", 0x10), ("RECEIVE", 0x20), ("REPLY", 0x40)];
    assert_eq!(numbers!(TimeoutStates), states);
    let event = [
        ("UPDATEABLE", 0x400),
        ("HANDLE", 0x2000),
        ("CODE_UPDATEABLE", 0x4000),
    ];
    assert_eq!(numbers!(EventFlags), event);
}

#[test]
fn pulses_and_ids_have_the_numbers_of_qnx() {
    let codes = [
        PulseCode::UNBLOCK,
        PulseCode::DISCONNECT,
        PulseCode::THREAD_DEATH,
        PulseCode::COID_DEATH,
        PulseCode::MIN_AVAILABLE,
        PulseCode::MAX_AVAILABLE,
    ];
    assert_eq!(codes, [-32, -33, -34, -35, 0, 127]);
    assert_eq!(Coid::SIDE_CHANNEL, 0x4000_0000);
    assert_eq!(Coid::SYSTEM.raw(), 0x4000_0000);
    assert_eq!(Scoid::CONNECTION, 0x1_0000);
}
