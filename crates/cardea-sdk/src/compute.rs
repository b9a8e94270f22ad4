//! Work that keeps a processor busy for longer than a request may: off the threads that answer requests, and never on
//! more processors at once than the machine has. It must never wait for anything.

use cardea_model::Error;
use std::sync::LazyLock;
use tokio::sync::Semaphore;

/// One place a processor: more at once would not be faster, and a crowd of them would keep everybody else waiting.
static PLACES: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(std::thread::available_parallelism().map_or(1, std::num::NonZero::get)));

/// Between two parts of long work (the items of a batch, each with a private key): lets others of this thread go on. A part
/// takes milliseconds, a thousand of them seconds.
pub async fn give_way() {
    tokio::task::yield_now().await;
}

/// Runs `work` (an RSA key of 4,096 bits takes hundreds of milliseconds) while others are answered. A request that is given
/// up meanwhile leaves the work to its end.
///
/// # Errors
/// Internal, if the work panicked or the process is ending.
pub async fn compute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    let gone = || Error::internal("work on the side did not come to its end");
    let place = PLACES.acquire().await.map_err(|_| gone())?;
    let done = tokio::task::spawn_blocking(work).await.map_err(|_| gone());
    drop(place);
    done
}
