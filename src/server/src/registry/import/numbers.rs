//! Numbers that change hands: a handset is swapped, a card goes into another one.
//!
//! The look-up row is written first and tells the new owner and the one before; then the device; then the former owner
//! loses the number, and look-up rows that lead nowhere go. Nobody is misled in between, or when a crash leaves the rest
//! undone: a look-up is verified where it leads, and the next import of the line goes on where this one ended.

use super::{
    Entry, Import,
    write::{Decision, side_by_side},
};
use crate::{
    registry::{
        self, RegistryError,
        lookup::{LookupRow, Number},
        record::Said,
    },
    rows::{Device, DeviceId},
    store::{Change, Shard, Table},
    update,
};
use campaign::time::Instant;

/// A number, and a device that had it before.
pub(super) type Taken = (DeviceId, Number);

/// What a look-up row said to a line that names its number.
enum Owner {
    /// The device of the line, perhaps after another.
    Ours { before: Option<String> },
    /// Newer news gave the number to another device.
    Other,
}

impl Import<'_> {
    /// Takes the numbers that lines give to their devices. What newer news gave to others is struck from the line.
    pub(super) async fn take_numbers(
        &self,
        entries: &mut [Entry<'_>],
        now: Instant,
    ) -> Result<Vec<Taken>, RegistryError> {
        let numbered = entries.iter_mut().filter(|entry| entry.record.numbers().next().is_some());
        let work = numbered.map(|entry| self.take_numbers_of(entry, now)).collect();
        Ok(side_by_side(work).await?.into_iter().flatten().collect())
    }

    async fn take_numbers_of(
        &self,
        entry: &mut Entry<'_>,
        now: Instant,
    ) -> Result<Vec<Taken>, RegistryError> {
        let id = entry.record.id.clone();
        let row = self
            .store
            .read(Shard::of(&id.root()), &[id.key(Table::Device)])
            .await?
            .into_iter()
            .next()
            .flatten();
        match self.decide(entry, row.as_ref(), now)? {
            // A line that changes nothing takes nothing.
            Decision::Fault(_) | Decision::Older => return Ok(Vec::new()),
            Decision::Unchanged | Decision::Write { .. } => {}
        }
        let as_of = entry.record.as_of.unwrap_or(now);
        let mut taken = Vec::new();
        for said in [&mut entry.record.msisdn, &mut entry.record.imsi] {
            let Said::Is(number) = said else { continue };
            match self.take_number(&id, number, as_of).await? {
                Owner::Other => *said = Said::Gone,
                Owner::Ours { before } => {
                    let before = before.map(|device| DeviceId::new(id.authority.clone(), device));
                    taken.extend(before.map(|before| (before, number.clone())));
                }
            }
        }
        Ok(taken)
    }

    async fn take_number(
        &self,
        id: &DeviceId,
        number: &Number,
        as_of: Instant,
    ) -> Result<Owner, RegistryError> {
        let (shard, key) = number.row(&id.authority);
        let mut owner = Owner::Other;
        update::update::<LookupRow>(self.store, shard, &key, |row| {
            let ours = |before| LookupRow { device: id.device.clone(), before, as_of };
            let (new, becomes) = match row {
                Some(row) if row.device == id.device => {
                    (None, Owner::Ours { before: row.before.clone() })
                }
                Some(row) if row.as_of > as_of => (None, Owner::Other),
                Some(row) => {
                    let before = Some(row.device.clone());
                    (Some(ours(before.clone())), Owner::Ours { before })
                }
                None => (Some(ours(None)), Owner::Ours { before: None }),
            };
            owner = becomes;
            new
        })
        .await?;
        Ok(owner)
    }

    /// Takes numbers out of the rows of their former devices, and look-up rows away that lead nowhere.
    pub(super) async fn tidy(
        &self,
        taken: Vec<Taken>,
        dropped: Vec<Taken>,
    ) -> Result<(), RegistryError> {
        side_by_side(
            taken.into_iter().map(|(id, number)| self.forget_number(id, number)).collect(),
        )
        .await?;
        side_by_side(
            dropped.into_iter().map(|(id, number)| self.forget_lookup(id, number)).collect(),
        )
        .await?;
        Ok(())
    }

    /// The former device of a number loses it, if another has it indeed.
    async fn forget_number(&self, id: DeviceId, number: Number) -> Result<(), RegistryError> {
        if registry::resolve(self.store, &id.authority, &number.name())
            .await?
            .is_none_or(|owner| owner == id)
        {
            return Ok(());
        }
        let (shard, key) = (Shard::of(&id.root()), id.key(Table::Device));
        update::update::<Device>(self.store, shard, &key, |device| {
            let mut device = device.filter(|device| number.belongs_to(device))?.clone();
            number.take_from(&mut device);
            Some(device)
        })
        .await?;
        let (shard, key) = number.row(&id.authority);
        update::update::<LookupRow>(self.store, shard, &key, |row| {
            let row = row.filter(|row| row.before.as_ref() == Some(&id.device))?;
            Some(LookupRow { before: None, ..row.clone() })
        })
        .await?;
        Ok(())
    }

    async fn forget_lookup(&self, id: DeviceId, number: Number) -> Result<(), RegistryError> {
        let (shard, key) = number.row(&id.authority);
        let Some((row, revision)) = update::load::<LookupRow>(self.store, shard, &key).await?
        else {
            return Ok(());
        };
        if row.device == id.device {
            // Whoever writes it meanwhile is right: a conflict is left alone.
            let change = Change::new().if_is(key.clone(), revision).delete(key);
            self.store.commit(shard, vec![change]).await?;
        }
        Ok(())
    }
}
