use super::{
    Answer, MOST, MOST_ENTRIES, Malformed, Request, Resolved, VERSION, decode_answer,
    decode_attached, decode_kept, decode_listing, decode_resolved, encode_answer,
};
use crate::path::{Pathname, Rooted};
use crate::registration::{Attach, AttachFlags, AttachId, Entry, FileType, Link, Name, NameKind};
use crate::tree::Listing;
use proptest::prelude::*;
use resmgr_sys::Errno;

fn attach() -> Attach {
    Attach {
        path: Pathname::new("/dev/x").unwrap(),
        chid: 3,
        handle: 9,
        file_type: FileType::NAME,
        flags: AttachFlags::DIR | AttachFlags::BEFORE,
        exclusive: true,
    }
}

fn requests() -> Vec<Request> {
    let path = Pathname::new("/dev/");
    vec![
        Request::Hello { version: VERSION },
        Request::Attach {
            id: AttachId(u64::MAX),
            attach: Ok(attach()),
        },
        Request::Detach(AttachId(1)),
        Request::Resolve {
            file_type: FileType(-1),
            path: path.clone().and_then(|path| Rooted::new(path, 4)),
        },
        Request::List {
            after: b"last".to_vec(),
            path: path.clone(),
        },
        Request::Serve,
        Request::Settled,
        Request::Link {
            id: AttachId(7),
            link: path.clone().map(|path| Link {
                path,
                target: (*b"../x").into(),
            }),
        },
        Request::ReadLink(path.clone()),
        Request::Watch {
            file_type: FileType::ANY,
            path,
        },
    ]
}

#[test]
fn every_request_comes_back_as_it_was_sent() {
    for request in requests() {
        let packet = request.encode(5).unwrap();
        assert_eq!(Request::decode(&packet).unwrap(), (5, request));
    }
}

#[test]
fn half_a_message_or_one_too_long_is_a_breach() {
    for request in requests() {
        let packet = request.encode(5).unwrap();
        assert_eq!(Request::decode(&packet[..7]), Err(Malformed));
        let rest = matches!(
            request,
            Request::Attach { .. }
                | Request::Resolve { .. }
                | Request::List { .. }
                | Request::Link { .. }
                | Request::ReadLink(_)
                | Request::Watch { .. }
        );
        let longer = [&packet[..], b"/!"].concat();
        assert_eq!(Request::decode(&longer).is_err(), !rest, "{request:?}");
    }
    assert_eq!(
        Request::decode(&Request::Serve.encode(0).unwrap()),
        Err(Malformed)
    );
}

#[test]
fn a_bad_path_is_an_answer_and_not_a_breach() {
    let mut packet = Request::Resolve {
        file_type: FileType::ANY,
        path: Pathname::new("/").map(Rooted::from),
    };
    let mut bytes = packet.encode(1).unwrap();
    bytes.pop();
    bytes.extend_from_slice(b"relative");
    packet = Request::decode(&bytes).unwrap().1;
    assert_eq!(
        packet,
        Request::Resolve {
            file_type: FileType::ANY,
            path: Err(Errno::INVAL)
        }
    );
}

#[test]
fn answers_come_back_and_refusals_keep_their_number() {
    let entry = Entry {
        nd: 0,
        pid: 1,
        identity: 1 << 40 | 9,
        chid: -2,
        handle: 3,
        file_type: FileType(-1),
        flags: AttachFlags::SELF,
        prefix_len: 6,
    };
    let followed = Pathname::new("/x".repeat(500)).map(Rooted::from).ok();
    let mut resolved = Resolved {
        entries: vec![entry; MOST_ENTRIES + 1],
        followed,
    };
    let packet = encode_answer(8, &Ok(Answer::Resolved(resolved.clone())));
    assert!(packet.len() <= MOST);
    resolved.entries.pop();
    let (serial, content) = decode_answer(&packet).unwrap();
    assert_eq!(serial, 8);
    assert_eq!(decode_resolved(content.unwrap()), Ok(resolved));
    let packet = encode_answer(8, &Err(Errno::BUSY));
    assert_eq!(decode_answer(&packet).unwrap(), (8, Err(Errno::BUSY)));
    assert_eq!(decode_kept(&[7, 0, 0, 0]), Ok(7));
    assert_eq!(decode_attached(&[7, 0, 0, 0]), Err(Malformed));
}

#[test]
fn a_listing_that_does_not_fit_says_that_there_is_more() {
    let name = Name {
        name: vec![b'x'; 255],
        kind: NameKind::LINK,
        target: b"target".to_vec(),
    };
    let listing = Listing {
        here: NameKind::all(),
        names: vec![name; 100],
        more: false,
    };
    let packet = encode_answer(1, &Ok(Answer::Listing(listing)));
    assert!(packet.len() <= MOST);
    let cut = decode_listing(decode_answer(&packet).unwrap().1.unwrap()).unwrap();
    assert!(cut.more);
    assert_eq!(cut.names.len(), (MOST - 10) / (255 + 4 + 6));
    assert_eq!(cut.names[0].target, b"target");
}

proptest! {
    #[test]
    fn random_bytes_never_panic(op in 0u8..13, bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = Request::decode(&bytes);
        let _ = Request::decode(&[&[op, 0, 0, 0, 1, 0, 0, 0], &bytes[..]].concat());
        let _ = decode_answer(&bytes);
        let _ = decode_resolved(&bytes);
        let _ = decode_listing(&bytes);
    }
}
