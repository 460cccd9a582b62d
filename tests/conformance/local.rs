//! Message passing inside one process.

use resmgr::Errno;
use resmgr::ipc::{Channel, ChannelFlags, Connection, Received, SendError};

fn echo(channel: &Channel) {
    let mut buffer = [0; 2048];
    while let Ok(received) = channel.receive(&mut buffer) {
        if let Received::Message(message) = received {
            let len = message.info().len;
            let mut all = vec![0; message.info().source_len];
            assert_eq!(message.read(&mut all, 0), Ok(all.len()));
            assert_eq!(all[..len], buffer[..len]);
            message.reply(0, &all).unwrap();
        }
    }
}

#[test]
fn m2_messages_of_every_size_come_back() {
    let channel = Channel::create(ChannelFlags::PRIVATE).unwrap();
    let server = std::thread::spawn({
        let channel = channel.clone();
        move || echo(&channel)
    });
    let connection = Connection::attach(0, channel.id()).unwrap();
    for size in [0, 1, 7, 64, 895, 896, 897, 4096, 65536, 1 << 20] {
        let message: Vec<u8> = (0..=250).cycle().take(size).collect();
        let mut reply = vec![0; size + 3];
        let answer = connection.send(&message, &mut reply).unwrap();
        assert_eq!(answer.len, size);
        assert_eq!(reply[..size], message);
    }
    for _ in 0..100_000 {
        connection.send(&[1; 64], &mut [0; 64]).unwrap();
    }
    channel.destroy();
    assert_eq!(
        connection.send(b"x", &mut []),
        Err(SendError::Gone(Errno::SRCH))
    );
    server.join().unwrap();
}
