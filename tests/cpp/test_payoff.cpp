#include "base/payoff.hpp"

#include <chrono>

#include "catch.hpp"

using namespace exemplar_svm;

namespace {

using Clock = Payoff::Clock;
using std::chrono::milliseconds;

/// Ten tasks of 50 microseconds, half of them by a helper.
LoopTimes shared_loop(double waiting) {
    LoopTimes times;
    times.to_call = 5e-6;
    times.of_task = 50e-6;
    times.n_own = times.n_helped = 5;
    times.waiting = waiting;
    return times;
}

}  // namespace

TEST_CASE("threads are expected to pay until they have cost time") {
    Payoff payoff;
    const Clock::time_point now{};
    CHECK(payoff.expects_gain(now));
    for (int loop = 0; loop < 100; ++loop) payoff.learn(shared_loop(20e-6), now);
    CHECK(payoff.expects_gain(now));
}

TEST_CASE("a helper that loses its processor ends the use of threads for a while") {
    Payoff payoff;
    const Clock::time_point now{};
    payoff.learn(shared_loop(10e-3), now);
    CHECK_FALSE(payoff.expects_gain(now));
    CHECK(payoff.expects_gain(now + milliseconds(100)));
}

TEST_CASE("pauses grow while threads do not pay, and are short again when they do") {
    Payoff payoff;
    Clock::time_point now{};
    const auto pause = [&] {
        payoff.learn(shared_loop(10e-3), now);
        const Clock::time_point begin = now;
        while (!payoff.expects_gain(now)) now += milliseconds(1);
        return now - begin;
    };
    const auto first = pause();
    CHECK(pause() > first);
    for (int loop = 0; loop < 10; ++loop) pause();
    const auto longest = pause();
    CHECK(longest <= milliseconds(1100));
    for (int loop = 0; loop < 100; ++loop) payoff.learn(shared_loop(20e-6), now);
    CHECK(pause() < longest / 4);
}

TEST_CASE("many small losses count like a large one") {
    Payoff payoff;
    const Clock::time_point now{};
    LoopTimes times = shared_loop(0.0);
    times.n_helped = 0;
    for (int loop = 0; loop < 200; ++loop) payoff.learn(times, now);
    CHECK_FALSE(payoff.expects_gain(now));
}

TEST_CASE("tasks as long as a time slice teach nothing") {
    Payoff payoff;
    const Clock::time_point now{};
    LoopTimes times = shared_loop(100e-3);
    times.of_task = 20e-3;
    payoff.learn(times, now);
    CHECK(payoff.expects_gain(now));
}
