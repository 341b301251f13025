// In which order stages are asked: again and again the one that rejects most of what is left of a pilot, for
// its cost.
//
// Which stage comes first decides how many rows meet the others; the last stages of a cascade often reject
// most of what the first ones do. A function of the pilot and the costs alone. Cost: the square of the
// stages, a word of bits at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace shac {

/// Of candidates that choose an order.
constexpr std::uint64_t kPilotSeed = 0x9e3779b97f4a7c15U;

struct StageOrder {
    std::vector<std::size_t> stages;   // by position
    std::vector<std::size_t> reached;  // by position: rows of the pilot that the stages before it leave
    std::size_t num_left = 0;          // rows that no stage rejects
};

/// `rejected` marks, for each stage, which of the pilot's rows it rejects; `costs` are of as many stages.
/// Among equals the earlier stage comes first.
StageOrder order_stages(const std::vector<std::vector<std::uint64_t>>& rejected,
                        const std::vector<double>& costs, std::size_t num_rows);

}  // namespace shac
