#include "exemplar_svm/top_k.hpp"

#include <limits>
#include <vector>

#include "catch.hpp"
#include "exemplar_svm/scan.hpp"
#include "reference.hpp"

using namespace exemplar_svm;
using reference::Random;

namespace {

template <Real T>
using Ranking = std::vector<Ranked<T>>;

template <Real T>
bool same(const Ranking<T>& a, const Ranking<T>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
        return x.score == y.score && x.row == y.row;
    });
}

template <Real T>
Ranking<T> select(const Ranking<T>& offers, std::size_t k) {
    Ranking<T> storage(k);
    TopK<T> best(storage.data(), k);
    for (const auto& offer : offers) best.offer(offer.score, offer.row);
    storage.resize(best.finish());
    return storage;
}

template <Real T>
Ranking<T> sorted(Ranking<T> offers, std::size_t k) {
    std::sort(offers.begin(), offers.end(), [](const auto& a, const auto& b) {
        return a.score != b.score ? a.score > b.score : a.row < b.row;
    });
    offers.resize(std::min(k, offers.size()));
    return offers;
}

/// Few different scores, so many ties.
template <Real T>
Ranking<T> random_offers(std::size_t n, Random& random) {
    Ranking<T> offers;
    for (std::size_t i = 0; i < n; ++i) {
        offers.push_back({static_cast<T>(random.below(7)) - T(3), static_cast<RowNumber>(i)});
    }
    return offers;
}

}  // namespace

TEMPLATE_TEST_CASE("the best k are those that sorting finds, whatever the order of offers", "",
                   float, double) {
    Random random(1);
    for (const std::size_t n : {0u, 1u, 2u, 10u, 200u}) {
        for (const std::size_t k : {0u, 1u, 2u, 3u, 10u, 199u, 200u, 300u}) {
            auto offers = random_offers<TestType>(n, random);
            const auto expected = sorted(offers, k);
            for (int order = 0; order < 5; ++order) {
                CAPTURE(n, k, order);
                CHECK(same(select(offers, k), expected));
                for (std::size_t i = n; i > 1; --i) {
                    std::swap(offers[i - 1], offers[random.below(i)]);
                }
            }
        }
    }
}

TEST_CASE("ties are broken by the smaller row") {
    const Ranking<double> offers{{1.0, 9}, {1.0, 3}, {2.0, 8}, {1.0, 5}, {1.0, 4}};
    CHECK(same(select(offers, 3), Ranking<double>{{2.0, 8}, {1.0, 3}, {1.0, 4}}));
}

TEST_CASE("the threshold is the score of the last place, and minus infinity while there is room") {
    Ranking<double> storage(2);
    TopK<double> best(storage.data(), 2);
    CHECK(best.threshold() == -reference::infinity);
    best.offer(1.0, 0);
    CHECK(best.threshold() == -reference::infinity);
    best.offer(5.0, 1);
    CHECK(best.threshold() == 1.0);
    best.offer(3.0, 2);
    CHECK(best.threshold() == 3.0);
    best.offer(2.0, 3);
    CHECK(best.threshold() == 3.0);
}

TEST_CASE("k = 0 refuses every row and touches no storage") {
    Ranked<double> not_ours{-5.0, 7};
    TopK<double> none(&not_ours, 0);
    CHECK(none.threshold() == reference::infinity);
    none.offer(1.0, 0);
    CHECK(none.finish() == 0);
    CHECK(not_ours.score == -5.0);
}

TEMPLATE_TEST_CASE("offering blocks above the threshold loses nothing", "", float, double) {
    Random random(2);
    for (int repetition = 0; repetition < 50; ++repetition) {
        const std::size_t n = random.below(100), k = 1 + random.below(12);
        const auto offers = random_offers<TestType>(n, random);
        std::vector<TestType> scores;
        for (const auto& offer : offers) scores.push_back(offer.score);
        Ranking<TestType> storage(k);
        TopK<TestType> best(storage.data(), k);
        const std::size_t cut = random.below(n + 1);
        offer_block(scores.data(), cut, n, best);  // the later block first
        offer_block(scores.data(), 0, cut, best);
        storage.resize(best.finish());
        CAPTURE(n, k, cut);
        CHECK(same(storage, sorted(offers, k)));
    }
}

TEST_CASE("scores of minus infinity are ranked too, after all others") {
    const double lowest = -reference::infinity;
    const Ranking<double> offers{{lowest, 0}, {0.0, 1}, {lowest, 2}};
    CHECK(same(select(offers, 2), Ranking<double>{{0.0, 1}, {lowest, 0}}));
}
