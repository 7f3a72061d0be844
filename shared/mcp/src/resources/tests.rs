use uuid::Uuid;

use super::*;

#[test]
fn a_uri_names_what_it_was_made_of() {
    let wren: AspectName = "wren".parse().expect("a name");
    let places = [
        Place::Team,
        Place::Unread,
        Place::Thread(ThreadId(Uuid::from_u128(1))),
        Place::Message(MessageId(Uuid::from_u128(2))),
        Place::Dispatch(DispatchId(Uuid::from_u128(3))),
        Place::Knowledge { of: "operator/ana".parse().expect("a party"), topic: "a/b ü?#%".to_owned() },
        Place::Knowledge { of: Party::Aspect(wren.clone()), topic: String::new() },
        Place::Sessions(wren.clone()),
        Place::Session { of: wren, session: "global".to_owned() },
    ];
    for place in places {
        assert_eq!(Place::parse(&place.uri()), Some(place));
    }
}

#[test]
fn what_is_no_resource_of_ours_is_none() {
    let texts = [
        "",
        "nexus://",
        "nexus://teams",
        "nexus://thread",
        "nexus://thread/7",
        "nexus://thread/00000000-0000-0000-0000-000000000001/x",
        "nexus://session/All",
        "nexus://knowledge/wren",
        "nexus://knowledge/wren/%ff",
        "file:///etc/passwd",
    ];
    for text in texts {
        assert_eq!(Place::parse(text), None, "{text}");
    }
}
