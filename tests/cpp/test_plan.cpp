// How a search is done: a table of situations and strategies.

#include "search/plan.hpp"

#include <cstddef>
#include <vector>

#include "catch.hpp"

using namespace exemplar_svm;

namespace {

/// 60,000 dense rows of which 700 are expected to support, for the best rows of one example.
Situation usual() {
    Situation s;
    s.prepared = Method::working_set;
    s.n_rows = 60'000;
    s.cost = 0.05;
    s.expected_support = 700.0;
    s.has_spread = true;
    return s;
}

struct Case {
    const char* what;
    void (*change)(Situation&);
    Strategy strategy;
    Strategy successor;
};

void expect_many(Situation& s) { s.expected_support = 20'000.0; }
void make_sparse(Situation& s) { s.is_dense = false; }
void prepare_gram(Situation& s) {
    s.prepared = Method::gram;
    s.n_rows = 1000;
    s.expected_support = 0.0;
    s.has_spread = false;
}

const std::vector<Case> cases{
    {"few rows of many support", [](Situation&) {}, Strategy::working_set, Strategy::primal},
    {"a tenth of the rows may support", [](Situation& s) { s.expected_support = 6000.0; },
     Strategy::working_set, Strategy::primal},
    {"many rows support", expect_many, Strategy::primal, Strategy::full},
    {"nearly half of few rows support",
     [](Situation& s) {
         s.n_rows = 2000;
         s.expected_support = 901.0;
     },
     Strategy::primal, Strategy::full},
    {"many rows support, and there is no time to read them twice",
     [](Situation& s) {
         expect_many(s);
         s.has_time = false;
     },
     Strategy::working_set, Strategy::primal},
    {"many rows support under the hinge",
     [](Situation& s) {
         expect_many(s);
         s.loss = Loss::hinge;
     },
     Strategy::working_set, Strategy::full},
    {"many of too few rows support",
     [](Situation& s) {
         s.n_rows = 1000;
         s.expected_support = 900.0;
     },
     Strategy::working_set, Strategy::full},
    {"all rows are equal",
     [](Situation& s) {
         expect_many(s);
         s.has_spread = false;
     },
     Strategy::working_set, Strategy::full},
    {"the rows cost nothing",
     [](Situation& s) {
         expect_many(s);
         s.cost = 0.0;
     },
     Strategy::working_set, Strategy::full},
    {"few sparse rows support", make_sparse, Strategy::working_set, Strategy::full},
    {"a third of the sparse rows support",
     [](Situation& s) {
         make_sparse(s);
         s.expected_support = 20'000.0;
     },
     Strategy::full, Strategy::full},
    {"few rows of many features", prepare_gram, Strategy::gram, Strategy::full},
    {"few rows of many features, for a model",
     [](Situation& s) {
         prepare_gram(s);
         s.purpose = Purpose::model;
     },
     Strategy::full, Strategy::full},
    {"a model of many rows", [](Situation& s) { s.purpose = Purpose::model; },
     Strategy::working_set, Strategy::primal},
    {"few rows", [](Situation& s) { s.prepared = Method::full; }, Strategy::full, Strategy::full},
    {"32 examples", [](Situation& s) { s.n_examples = 32; }, Strategy::working_set,
     Strategy::primal},
    {"33 examples", [](Situation& s) { s.n_examples = 33; }, Strategy::full, Strategy::full},
    {"33 examples among few rows of many features",
     [](Situation& s) {
         prepare_gram(s);
         s.n_examples = 33;
     },
     Strategy::full, Strategy::full},
    {"a working set was asked for, and many rows support",
     [](Situation& s) {
         expect_many(s);
         s.method = Method::working_set;
     },
     Strategy::working_set, Strategy::full},
    {"a working set was asked for, and most sparse rows support",
     [](Situation& s) {
         make_sparse(s);
         expect_many(s);
         s.method = Method::working_set;
     },
     Strategy::working_set, Strategy::full},
    {"the primal was asked for, and few rows support",
     [](Situation& s) { s.method = s.prepared = Method::primal; }, Strategy::primal,
     Strategy::full},
    {"the primal was asked for, and all rows are equal",
     [](Situation& s) {
         s.method = s.prepared = Method::primal;
         s.has_spread = false;
     },
     Strategy::full, Strategy::full},
};

}  // namespace

TEST_CASE("a plan depends on the situation alone") {
    for (const Case& c : cases) {
        Situation situation = usual();
        c.change(situation);
        CAPTURE(c.what);
        CHECK(to_string(plan(situation)) == to_string(c.strategy));
        CHECK(to_string(successor(plan(situation), situation)) == to_string(c.successor));
    }
}

TEST_CASE("all hand over to the search over all rows in the end") {
    for (const Case& c : cases) {
        Situation situation = usual();
        c.change(situation);
        Strategy strategy = plan(situation);
        for (int hands = 0; hands < 2; ++hands) strategy = successor(strategy, situation);
        CAPTURE(c.what);
        CHECK(strategy == Strategy::full);
    }
}
