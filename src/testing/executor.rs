//! The smallest executor that tests need. Nothing here waits for anything real, so it polls until it is done.

use std::cell::RefCell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// More polls than any test needs: beyond it, something waits for what will never come.
const MAXIMUM_POLLS: usize = 100_000;

/// Runs `future` to its end.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..MAXIMUM_POLLS {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
    panic!("the future never ends");
}

/// Runs all of `futures` side by side, one step each in turn, as an isolate does with its requests.
pub(crate) fn join_all<T>(futures: Vec<Pin<Box<dyn Future<Output = T> + '_>>>) -> Vec<T> {
    let mut running: Vec<_> = futures.into_iter().map(|future| (Some(future), None)).collect();
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..MAXIMUM_POLLS {
        for (future, result) in &mut running {
            if let Some(pending) = future
                && let Poll::Ready(value) = pending.as_mut().poll(&mut context)
            {
                *result = Some(value);
                *future = None;
            }
        }
        if running.iter().all(|(future, _)| future.is_none()) {
            return running.into_iter().filter_map(|(_, result)| result).collect();
        }
    }
    panic!("one of the futures never ends");
}

/// Runs the first of `futures` in turn with whatever work `deferred` holds or comes to hold.
pub(crate) fn block_on_beside<T>(future: impl Future<Output = T>, deferred: &Deferred) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..MAXIMUM_POLLS {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        deferred.step();
    }
    panic!("the future never ends");
}

/// Lets everything else take one step.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(move |_| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        Poll::Pending
    })
    .await;
}

/// Work that goes on after the response.
#[derive(Default, Clone)]
pub(crate) struct Deferred(Rc<RefCell<Vec<Work>>>);

type Work = Pin<Box<dyn Future<Output = ()>>>;

impl Deferred {
    pub(crate) fn push(&self, work: impl Future<Output = ()> + 'static) {
        self.0.borrow_mut().push(Box::pin(work));
    }

    pub(crate) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// Polls everything once.
    fn step(&self) {
        let mut context = Context::from_waker(Waker::noop());
        let work = std::mem::take(&mut *self.0.borrow_mut());
        let left: Vec<_> = work
            .into_iter()
            .filter_map(|mut future| future.as_mut().poll(&mut context).is_pending().then_some(future))
            .collect();
        self.0.borrow_mut().extend(left);
    }

    /// Runs everything to its end, also what it defers itself.
    pub(crate) fn run(&self) {
        for _ in 0..MAXIMUM_POLLS {
            if self.len() == 0 {
                return;
            }
            self.step();
        }
        panic!("deferred work never ends");
    }
}
