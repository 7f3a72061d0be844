//! The store as a whole: put back to an earlier state.

use nexus_broker::hub::CommandBody;
use nexus_wire::inbox::Resume;
use nexus_wire::roster::Register;
use nexus_wire::{EpochId, ItemId};
use uuid::Uuid;

use crate::on_both_stores;
use crate::world::name;

on_both_stores! {
    fn after_a_restore_every_inbox_begins_a_new_epoch_at_the_brokers_cursor(world) {
        world.operator("ana");
        let before = world.online("wren");
        world.aspect("forge");
        for n in 0..4 {
            world.say("operator/ana", &format!("@wren {n}"));
        }
        let link = world.link("wren").unwrap();
        world.apply(CommandBody::Ack { aspect: name("wren"), link, offset: 2 });

        let new_epoch = EpochId(world.id());
        world.call(CommandBody::Restored { new_epoch }).0.unwrap();
        let epoch = |world: &crate::world::World<S>, of: &str| world.hub.roster().aspect(&name(of)).unwrap().epoch;
        assert_ne!(before.epoch, new_epoch);
        assert_eq!(epoch(world, "wren"), new_epoch);
        assert_eq!(epoch(world, "forge"), EpochId(Uuid::nil()), "one that never registered has none to end");

        // The runtime got further before the restore than the broker remembers.
        let resume = Resume { epoch: before.epoch, offset: 9, item: Some(ItemId(Uuid::from_u128(9))) };
        let register = Register { resume: Some(resume), last_generation: 5, ..Register::default() };
        let registered = world.register("wren", register).unwrap();
        assert_eq!((registered.epoch, registered.offset), (new_epoch, 2));
        assert_eq!(registered.situation.undelivered, 2);
    }
}
