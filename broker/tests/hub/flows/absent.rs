//! What a flow names and nobody has is said when it is put, and the flow is kept: it may come yet.

use nexus_broker::hub::Change;
use nexus_wire::registry::{RegistryPut, RegistryStored};
use serde_json::{Value, json};

use super::{Flowing, flow, work};
use crate::on_both_stores;

on_both_stores! {
    fn what_is_not_there_is_told_with_its_place(world) {
        world.team();
        let doing = |id: &str, act: Value| json!({"id": id, "do": act});
        let steps = |names: [&str; 5]| {
            let [aspect, hand, sub, registry, operator] = names;
            [
                work("there", &[], json!(1)),
                doing("ask", json!({"ask": {"aspect": aspect, "text": "?"}})),
                doing("hand", json!({"dispatch": {"hand": hand, "input": 1}})),
                doing("own", json!({"dispatch": {"hand": "keel/self", "input": 1}})),
                doing("able", json!({"dispatch": {"capability": {"needs": ["sing"]}, "input": 1}})),
                doing("sub", json!({"flow": {"id": sub}})),
                doing("row", json!({"write": {"registry": registry, "values": {"id": 1}}})),
                doing("leave", json!({"approve": {"text": "?", "by": operator}})),
                doing("wait", json!({"wait": {"seconds": 1}})),
            ]
        };
        world.put(flow("g", &[doing("leave", json!({"approve": {"text": "?", "by": "zed", "on_timeout": "approve"}}))])).unwrap();
        let stored = world.put(flow("f", &steps(["kite", "wren/sing", "none", "none", "zed"]))).unwrap();
        let said: Vec<_> = stored.absent.iter().map(|it| (it.at.as_str(), it.message.as_str())).collect();
        assert_eq!(said, [
            ("steps[1].do.ask.aspect", "there is no aspect kite"),
            ("steps[2].do.dispatch.hand", "wren has no Hand sing; its Hands are wren/work, wren/own"),
            ("steps[3].do.dispatch.hand", "there is no aspect keel; Hands on this team are wren/work, wren/own"),
            ("steps[5].do.flow.id", "there is no flow none"),
            ("steps[6].do.write.registry", "there is no registry none"),
            ("steps[7].do.approve.by", "there is no operator zed"),
        ]);
        // Nobody could answer that question.
        let run = world.run("g", json!(null));
        let error = world.info(run).error.unwrap();
        assert_eq!((error.code.as_str(), error.message.as_str()), ("not_found", "step leave: there is no operator zed, who is to be asked"));
        assert!(stored.changed && world.store.flow(&"f".parse().unwrap()).unwrap().is_some());

        let table = json!({"registry": {"name": "rates", "fields": [{"name": "id", "type": "number"}]}});
        let table: RegistryPut = serde_json::from_value(table).unwrap();
        let _: RegistryStored = world.request("operator/ana", Change::RegistryPut(table)).unwrap();
        world.put(flow("sub", &[work("a", &[], json!(1))])).unwrap();
        world.aspect("keel");
        let stored = world.put(flow("f", &steps(["wren", "wren/own", "sub", "rates", "bo"]))).unwrap();
        let said: Vec<_> = stored.absent.iter().map(|it| (it.at.as_str(), it.message.as_str())).collect();
        assert_eq!(said, [(
            "steps[3].do.dispatch.hand",
            "keel has never been online, so it is not known to have a Hand self; start it first",
        )]);
    }
}
