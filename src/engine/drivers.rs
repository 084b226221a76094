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
                let read = |order| give(&driver, order);
                if !std::mem::take(orders).into_iter().all(read) {
                    tracing::error!(%agent, "the agent does not read its first orders: it is ended");
                    drop(driver.try_order(Order::Stop));
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

    /// Gives an agent an order; one without a process needs none. Returns the run that does not
    /// read its orders any more, so that this one is lost.
    #[must_use]
    pub(super) fn order(&self, agent: AgentId, order: Order) -> Option<u64> {
        let mut slots = self.lock();
        let slot = slots.get_mut(&agent)?;
        match &mut slot.state {
            Process::Begun(orders) => {
                orders.push(order);
                None
            }
            Process::Runs(driver) => (!give(driver, order)).then_some(slot.run),
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

/// Whether an order is read. A process that has ended says so itself, and what it was told is then
/// told to the next one.
fn give(driver: &Driver, order: Order) -> bool {
    match driver.try_order(order) {
        Ok(()) | Err(OrderError::Gone(_)) => true,
        Err(OrderError::Full(_)) => false,
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
        assert_eq!(drivers.order(BLUE, Order::Interrupt), None);
        assert_eq!(drivers.order(BLUE, Order::Stop), None);
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
    async fn an_order_that_is_not_read_any_more_is_said_and_stopping_still_works() {
        let drivers = Drivers::default();
        let (driver, _orders, stop) = driver();
        drivers.begin(BLUE, 3);
        drivers.started(BLUE, 3, driver);
        for _ in 0..2 {
            assert_eq!(drivers.order(BLUE, Order::Interrupt), None);
        }
        assert_eq!(drivers.order(BLUE, Order::Interrupt), Some(3));
        assert_eq!(drivers.order(BLUE, Order::Stop), None);
        assert!(stop.is_cancelled());
    }

    #[tokio::test]
    async fn an_agent_that_does_not_read_its_first_orders_is_ended() {
        let drivers = Drivers::default();
        let (driver, _orders, stop) = driver();
        drivers.begin(BLUE, 1);
        for _ in 0..3 {
            assert_eq!(drivers.order(BLUE, Order::Interrupt), None);
        }
        drivers.started(BLUE, 1, driver);
        assert!(stop.is_cancelled());
    }
}
