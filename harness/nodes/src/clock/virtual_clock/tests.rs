//! When the clock jumps, and when it does not.

use super::*;
use crate::clock::Clock;

const SHORT: Delay = Delay::new("short", Duration::from_secs(10));
const LONG: Delay = Delay::new("long", Duration::from_hours(1));

fn driven() -> (Arc<VirtualClock>, CancellationToken) {
    let clock = VirtualClock::new();
    let stop = CancellationToken::new();
    tokio::spawn(clock.clone().drive(stop.clone()));
    (clock, stop)
}

#[tokio::test]
async fn jumps_to_the_earliest_deadline_first() {
    let (clock, stop) = driven();
    let _progress = clock.wants_progress();
    let (a, b) = (clock.clone(), clock.clone());
    let long = tokio::spawn(async move {
        a.sleep(LONG).await;
        a.now()
    });
    let short = tokio::spawn(async move {
        b.sleep(SHORT).await;
        b.now()
    });
    assert_eq!(short.await.unwrap(), SHORT.duration);
    assert_eq!(long.await.unwrap(), LONG.duration);
    stop.cancel();
}

#[tokio::test]
async fn stands_still_while_nobody_wants_progress() {
    let (clock, stop) = driven();
    let sleeper = tokio::spawn({
        let clock = clock.clone();
        async move { clock.sleep(SHORT).await }
    });
    tokio::time::sleep(QUIET * 10).await;
    assert!(!sleeper.is_finished());
    let _progress = clock.wants_progress();
    sleeper.await.unwrap();
    stop.cancel();
}

#[tokio::test]
async fn stands_still_while_somebody_is_busy() {
    let (clock, stop) = driven();
    let _progress = clock.wants_progress();
    let busy = clock.busy();
    let sleeper = tokio::spawn({
        let clock = clock.clone();
        async move { clock.sleep(SHORT).await }
    });
    tokio::time::sleep(QUIET * 10).await;
    assert!(!sleeper.is_finished());
    drop(busy);
    sleeper.await.unwrap();
    stop.cancel();
}

#[tokio::test]
async fn leaves_a_process_real_time_before_each_jump() {
    let (clock, stop) = driven();
    let _progress = clock.process_wants_progress();
    let begin = Instant::now();
    for _ in 0..5 {
        clock.sleep(SHORT).await;
    }
    assert!(begin.elapsed() >= QUIET * 5);
    stop.cancel();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "cannot tell without /proc")]
fn waits_for_what_blocks_on_another_thread() {
    let threads = quiescence::Threads::begin();
    threads.enter();
    threads.runtime().unwrap().block_on(async {
        let (clock, stop) = driven();
        let _progress = clock.wants_progress();
        for _ in 0..500 {
            let blocks = tokio::task::spawn_blocking(|| {
                let begin = Instant::now();
                while begin.elapsed() < Duration::from_micros(100) {
                    std::hint::spin_loop();
                }
            });
            let ended = Clock::virtual_from(clock.clone()).within(LONG, blocks).await;
            assert!(ended.is_ok(), "the clock jumped before it was told");
        }
        stop.cancel();
    });
    quiescence::Threads::leave();
}

#[tokio::test]
async fn lets_tasks_wake_one_another_before_it_jumps() {
    let (clock, stop) = driven();
    let (first, mut last) = oneshot::channel();
    for _ in 0..10 {
        let (next, wakes) = oneshot::channel();
        let wakes_next = std::mem::replace(&mut last, wakes);
        tokio::spawn(async move {
            let woken: &str = wakes_next.await.unwrap();
            next.send(woken)
        });
    }
    let short = tokio::spawn({
        let clock = clock.clone();
        async move {
            last.await.unwrap();
            clock.sleep(SHORT).await;
            clock.now()
        }
    });
    let _progress = clock.wants_progress();
    first.send("go").unwrap();
    clock.sleep(LONG).await;
    assert_eq!(short.await.unwrap(), SHORT.duration);
    stop.cancel();
}

#[tokio::test]
async fn passes_as_real_time_does_while_it_flows() {
    const BLINK: Delay = Delay::new("blink", Duration::from_millis(20));
    let clock = VirtualClock::new();
    let begin = Instant::now();
    let blinks = async {
        tokio::time::sleep(BLINK.duration).await;
        let first = clock.now();
        clock.sleep(BLINK).await;
        (first, clock.now())
    };
    tokio::pin!(blinks);
    let (first, second) = tokio::select! {
        // Before the first blink.
        biased;
        () = clock.flow() => unreachable!("time does not end"),
        times = &mut blinks => times,
    };
    assert!(BLINK.duration <= first && first + BLINK.duration <= second && second <= begin.elapsed());
    assert!(clock.now() >= second, "it stands where it came to");
}

#[tokio::test]
async fn ends_a_delay_that_is_released_while_it_flows() {
    const BLINK: Delay = Delay::new("blink", Duration::from_millis(1));
    let clock = VirtualClock::new();
    clock.hold("blink");
    let released = async {
        tokio::time::sleep(BLINK.duration * 10).await;
        clock.release("blink");
        tokio::time::sleep(Duration::from_secs(10)).await;
    };
    tokio::select! {
        () = clock.flow() => unreachable!("time does not end"),
        () = released => panic!("it never ended"),
        () = clock.sleep(BLINK) => {}
    }
}

#[tokio::test]
async fn keeps_a_held_delay_until_it_is_released() {
    let (clock, stop) = driven();
    let _progress = clock.wants_progress();
    clock.hold("short");
    let held = tokio::spawn({
        let clock = clock.clone();
        async move { clock.sleep(SHORT).await }
    });
    clock.sleep(LONG).await;
    assert!(!held.is_finished());
    clock.release("short");
    held.await.unwrap();
    stop.cancel();
}

#[tokio::test]
async fn waits_for_what_is_expected_until_it_arrives_or_its_limit_passes() {
    let (clock, stop) = driven();
    let _progress = clock.wants_progress();
    let expectation = Clock::virtual_from(clock.clone()).expectation();
    let begin = Instant::now();
    expectation.expect(QUIET * 20);
    clock.sleep(SHORT).await;
    assert!(begin.elapsed() >= QUIET * 20);
    expectation.expect(Duration::from_hours(1));
    let sleeper = tokio::spawn({
        let clock = clock.clone();
        async move { clock.sleep(SHORT).await }
    });
    tokio::time::sleep(QUIET * 10).await;
    assert!(!sleeper.is_finished());
    expectation.met();
    sleeper.await.unwrap();
    stop.cancel();
}

#[tokio::test]
async fn forgets_a_sleep_that_was_dropped() {
    let (clock, stop) = driven();
    {
        let sleep = clock.sleep(LONG);
        tokio::select! { () = sleep => unreachable!(), () = tokio::task::yield_now() => {} }
    }
    assert!(clock.pending().is_empty());
    stop.cancel();
}
