//! The running agents' drivers, and the orders for those whose process is just being started.
//!
//! No order is lost between the start of a process and word of it; each goes to the run that it
//! was meant for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::agent::{Driver, Order, OrderError};
use crate::model::id::AgentId;

/// The drivers by their agents; clones are the same ones.
#[derive(Debug, Clone, Default)]
pub(super) struct Drivers(Arc<Mutex<HashMap<AgentId, Slot>>>);

#[derive(Debug)]
struct Slot {
    run: u64,
    state: Process,
}

#[derive(Debug)]
enum Process {
    /// It is being started; these orders came meanwhile.
    Begun(Vec<Order>),
    Runs(Driver),
}

impl Drivers {
    /// A process is being started.
    pub(super) fn begin(&self, agent: AgentId, run: u64) {
        self.lock().insert(agent, Slot { run, state: Process::Begun(Vec::new()) });
    }

    /// A process was started: it gets the orders that came meanwhile. Returns its id.
    pub(super) fn started(&self, agent: AgentId, run: u64, driver: Driver) -> u32 {
        let pid = driver.pid;
        let mut slots = self.lock();
        // Without a slot nobody wants it any more, and with the driver it ends.
        if let Some(slot) = slots.get_mut(&agent).filter(|slot| slot.run == run) {
            if let Process::Begun(orders) = &mut slot.state {
                for order in std::mem::take(orders) {
                    give(agent, &driver, order);
                }
            }
            slot.state = Process::Runs(driver);
        }
        pid
    }

    /// A process could not be started.
    pub(super) fn failed(&self, agent: AgentId, run: u64) {
        let mut slots = self.lock();
        if slots.get(&agent).is_some_and(|slot| slot.run == run) {
            slots.remove(&agent);
        }
    }

    /// Gives an agent an order; one without a process needs none.
    pub(super) fn order(&self, agent: AgentId, order: Order) {
        match self.lock().get_mut(&agent).map(|slot| &mut slot.state) {
            Some(Process::Begun(orders)) => orders.push(order),
            Some(Process::Runs(driver)) => give(agent, driver, order),
            None => {}
        }
    }

    /// The process is gone.
    pub(super) fn release(&self, agent: AgentId) {
        self.lock().remove(&agent);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AgentId, Slot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An order that does not get through is no word that is lost in silence: a process that has ended
/// says so itself, and what it was told is then told to the next one. One that does not read any
/// more is ended, which leads to the same.
fn give(agent: AgentId, driver: &Driver, order: Order) {
    match driver.try_order(order) {
        Ok(()) | Err(OrderError::Gone(_)) => {}
        Err(OrderError::Full(_)) => {
            tracing::error!(%agent, "the agent does not read its orders any more: it is ended");
            drop(driver.try_order(Order::Stop));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use tokio_util::sync::CancellationToken;

    use super::*;

    const BLUE: AgentId = AgentId(1);

    fn driver() -> (Driver, mpsc::Receiver<Order>, CancellationToken) {
        let (orders, given) = mpsc::channel(2);
        let stop = CancellationToken::new();
        (Driver::new(7, orders, stop.clone(), tokio::spawn(async {})), given, stop)
    }

    #[tokio::test]
    async fn orders_to_an_agent_that_is_being_started_reach_it() {
        let drivers = Drivers::default();
        let (driver, mut given, stop) = driver();
        drivers.begin(BLUE, 1);
        drivers.order(BLUE, Order::Interrupt);
        drivers.order(BLUE, Order::Stop);
        assert_eq!(drivers.started(BLUE, 1, driver), 7);
        assert_eq!(given.recv().await, Some(Order::Interrupt));
        assert!(stop.is_cancelled());
    }

    #[tokio::test]
    async fn a_process_that_nobody_waits_for_any_more_is_ended() {
        let drivers = Drivers::default();
        let (late, _orders, stop) = driver();
        drivers.begin(BLUE, 2);
        drivers.started(BLUE, 1, late);
        assert!(stop.is_cancelled(), "a former run");
        let (known, _orders, stop) = driver();
        drivers.started(BLUE, 2, known);
        assert!(!stop.is_cancelled());
        drivers.release(BLUE);
        assert!(stop.is_cancelled(), "a released one");
    }

    #[tokio::test]
    async fn an_agent_that_does_not_read_its_orders_is_ended() {
        let drivers = Drivers::default();
        let (driver, _orders, stop) = driver();
        drivers.begin(BLUE, 1);
        drivers.started(BLUE, 1, driver);
        for _ in 0..2 {
            drivers.order(BLUE, Order::Interrupt);
        }
        assert!(!stop.is_cancelled());
        drivers.order(BLUE, Order::Interrupt);
        assert!(stop.is_cancelled());
    }
}
