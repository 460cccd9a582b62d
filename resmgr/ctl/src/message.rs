//! What the types of messages are called.

use resmgr::wire::MessageType;

/// The name of a message's type where it is one of the I/O messages; else its number.
pub(crate) fn name(number: Option<u16>) -> String {
    let Some(number) = number else {
        return "-".into();
    };
    known(MessageType(number)).map_or_else(|| format!("0x{number:x}"), Into::into)
}

/// The QNX name of an I/O message.
pub(crate) fn known(kind: MessageType) -> Option<&'static str> {
    Some(match kind {
        MessageType::CONNECT => "_IO_CONNECT",
        MessageType::READ => "_IO_READ",
        MessageType::WRITE => "_IO_WRITE",
        MessageType::STAT => "_IO_STAT",
        MessageType::NOTIFY => "_IO_NOTIFY",
        MessageType::DEVCTL => "_IO_DEVCTL",
        MessageType::PATHCONF => "_IO_PATHCONF",
        MessageType::LSEEK => "_IO_LSEEK",
        MessageType::CHMOD => "_IO_CHMOD",
        MessageType::CHOWN => "_IO_CHOWN",
        MessageType::UTIME => "_IO_UTIME",
        MessageType::OPENFD => "_IO_OPENFD",
        MessageType::FDINFO => "_IO_FDINFO",
        MessageType::LOCK => "_IO_LOCK",
        MessageType::SPACE => "_IO_SPACE",
        MessageType::SHUTDOWN => "_IO_SHUTDOWN",
        MessageType::MMAP => "_IO_MMAP",
        MessageType::MSG => "_IO_MSG",
        MessageType::DUP => "_IO_DUP",
        MessageType::CLOSE => "_IO_CLOSE",
        MessageType::SYNC => "_IO_SYNC",
        MessageType::POWER => "_IO_POWER",
        MessageType::ACL => "_IO_ACL",
        MessageType::READ64 => "_IO_READ64",
        MessageType::WRITE64 => "_IO_WRITE64",
        MessageType::NOTIFY64 => "_IO_NOTIFY64",
        MessageType::UTIME64 => "_IO_UTIME64",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn io_messages_have_names_and_others_numbers() {
        assert_eq!(name(Some(0x101)), "_IO_READ");
        assert_eq!(name(Some(0x6568)), "0x6568");
        assert_eq!(name(None), "-");
    }
}
