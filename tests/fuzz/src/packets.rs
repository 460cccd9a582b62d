//! Packets of the handshake and of the namespace's protocol.

use crate::Script;
use resmgr::fuzzing;
use resmgr_namespace::protocol::{self, Answer, MOST, Request, Resolved};
use resmgr_namespace::registration::Registration;
use resmgr_namespace::tree::Tree;
use resmgr_namespace::{Attach, AttachId, Standing};

/// The first byte says what the packets are.
pub fn packets(data: &[u8]) {
    let mut script = Script::new(data);
    match script.byte() % 4 {
        0 => again(fuzzing::hello, script.rest()),
        1 => {
            let packet = script.rest();
            again(fuzzing::welcome, packet);
            for taken in [fuzzing::inspected(packet), fuzzing::traced(packet)] {
                assert!(taken.unwrap_or(0) <= packet.len());
            }
        }
        2 => answers(script.rest()),
        _ => conversation(&mut script),
    }
}

/// What decodes is what encoding it again gives, but for flags that nobody knows.
fn again(decode: fn(&[u8]) -> resmgr_sys::Result<Vec<u8>>, packet: &[u8]) {
    if let Ok(encoded) = decode(packet) {
        assert_eq!(encoded.len(), packet.len());
        assert_eq!(decode(&encoded), Ok(encoded));
    }
}

/// What a client makes of a server's answers.
fn answers(packet: &[u8]) {
    let Ok((serial, Ok(content))) = protocol::decode_answer(packet) else {
        return;
    };
    let answers = [
        protocol::decode_kept(content).map(Answer::Kept),
        protocol::decode_attached(content).map(Answer::Attached),
        protocol::decode_resolved(content).map(Answer::Resolved),
        protocol::decode_listing(content).map(Answer::Listing),
        protocol::decode_standing(content).map(Answer::Standing),
    ];
    for answer in answers.into_iter().flatten() {
        let packet = protocol::encode_answer(serial, &Ok(answer.clone()));
        assert!(packet.len() <= MOST);
        let (again, content) = protocol::decode_answer(&packet).unwrap();
        assert_eq!(again, serial);
        let content = content.unwrap();
        match answer {
            Answer::Kept(count) => assert_eq!(protocol::decode_kept(content), Ok(count)),
            Answer::Attached(id) => assert_eq!(protocol::decode_attached(content), Ok(id)),
            // Long ones are cut.
            Answer::Resolved(Resolved { entries, followed }) => {
                let again = protocol::decode_resolved(content).unwrap();
                assert_eq!(again.entries, entries[..again.entries.len()]);
                assert_eq!(again.followed, followed);
            }
            Answer::Listing(listing) => {
                let again = protocol::decode_listing(content).unwrap();
                assert_eq!(again.names, listing.names[..again.names.len()]);
            }
            Answer::Standing(standing) => {
                assert_eq!(protocol::decode_standing(content), Ok(standing));
            }
            Answer::Done | Answer::Target(_) => {}
        }
    }
}

/// Requests one after the other, to one tree.
fn conversation(script: &mut Script<'_>) {
    let (mut tree, mut ids) = (Tree::new(), 0);
    while let Some(len) = script.step() {
        let len = usize::from(len) * 2;
        let packet = script.bytes(len);
        let Ok((serial, request)) = Request::decode(packet) else {
            continue;
        };
        if let Ok(encoded) = request.encode(serial) {
            // A path may be written in more than one way, and is encoded in one.
            let (_, again) = Request::decode(&encoded).unwrap();
            assert_eq!(again.encode(serial), Ok(encoded));
        }
        let answer = serve(&mut tree, &mut ids, request);
        let packet = protocol::encode_answer(serial, &answer);
        assert!(packet.len() <= MOST);
        assert_eq!(protocol::decode_answer(&packet).unwrap().0, serial);
    }
    assert_eq!(tree.iter().count(), tree.len());
}

fn serve(tree: &mut Tree, ids: &mut u64, request: Request) -> resmgr_sys::Result<Answer> {
    match request {
        Request::Attach { id, attach } => {
            let attach = attach?;
            *ids += 1;
            let id = if id.0 == 0 { AttachId(*ids) } else { id };
            let one = registration(&attach, id);
            tree.attach(&attach.path, one, attach.exclusive)?;
            Ok(Answer::Attached(id))
        }
        Request::Detach(id) => tree.detach(id).map(|()| Answer::Done),
        Request::Resolve { file_type, path } => {
            let path = path?;
            let followed = tree.follow(&path)?;
            let path = followed.as_ref().unwrap_or(&path);
            let entries = tree.resolve(path.path(), file_type, 1)?;
            Ok(Answer::Resolved(Resolved { entries, followed }))
        }
        Request::Link { id, link } => {
            let link = link?;
            *ids += 1;
            let id = if id.0 == 0 { AttachId(*ids) } else { id };
            tree.link(&link.path, &link.target, id, 2)?;
            Ok(Answer::Attached(id))
        }
        Request::ReadLink(path) => Ok(Answer::Target(tree.read_link(&path?)?.into())),
        Request::List { after, path } => tree.list(&path?, &after, 100).map(Answer::Listing),
        Request::Watch { file_type, path } => {
            let path = path?;
            Ok(Answer::Standing(Standing {
                present: tree.resolve(&path, file_type, 1).is_ok(),
                mark: *ids,
            }))
        }
        Request::Hello { .. } | Request::Serve | Request::Listen | Request::Settled => {
            Ok(Answer::Done)
        }
    }
}

fn registration(attach: &Attach, id: AttachId) -> Registration {
    Registration {
        id,
        pid: 2,
        chid: attach.chid,
        handle: attach.handle,
        file_type: attach.file_type,
        flags: attach.flags,
    }
}
