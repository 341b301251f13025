// The rejection filter: blocks of candidates against the tables of all stages; what passes is left to the
// exact forests.
//
// Stages are tried in the order that rejects the most for its cost, found once on a fixed set of candidates:
// the order, and so which stage drops a candidate, is a function of the stages alone. Each stage takes the
// candidates that are left in chunks, and moves those it does not reject together for the next. Uniforms of
// eight columns are drawn when the first stage needs one of them, for the candidates that are left then; a
// conditional column needs those that it depends on. In up to four columns a block of random bits serves
// several candidates.
//
// A candidate is dropped when more than `relax` stages are proven to reject it.
//
// Immutable; any number of threads may use it, each with its own scratch: block_size() candidates take
// 2 bytes for each column that a stage needs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/kernels.hpp"
#include "prior/random.hpp"
#include "support/array_view.hpp"
#include "tables/stage.hpp"

namespace shac {

class RejectionFilter {
  public:
    struct Scratch {
        std::size_t num_left = 0;
        std::vector<std::uint16_t> offsets;  // the first num_left: the candidates left, ascending
        std::vector<std::vector<std::uint16_t>> columns;
        std::vector<std::uint16_t> failures;  // of the candidates left, where some are allowed
        std::vector<std::uint64_t> rejected;  // bits of a chunk
        std::vector<const std::uint16_t*> uniforms;
        QuantizedScratch quantized;
    };

    /// `stages` and `conditions` must outlive the filter. `shorter`, of the same layout and conditions, saves
    /// the pilot of the stages that both begin with.
    RejectionFilter(const std::vector<std::shared_ptr<const Stage>>& stages, std::size_t width,
                    BlockLayout layout, const Conditions& conditions, const Kernels& kernels,
                    const RejectionFilter* shorter = nullptr);

    /// Stages in the order in which they are tried.
    const std::vector<std::size_t>& order() const { return order_; }
    std::size_t block_size() const { return block_size_; }

    /// Work for a candidate, drawing included: in vector instructions, by the pilot's rejections. The same on
    /// every machine.
    double candidate_cost() const { return candidate_cost_; }
    /// About which share of candidates is left: at least one of the pilot's, so that it is never 0.
    double pass_rate() const { return pass_rate_; }
    static constexpr std::size_t kMaxBlock = std::size_t{1} << 16;

    /// Leaves in scratch.offsets which of the candidates first, first + 1, ... may pass; `count` is at most
    /// kMaxBlock. Adds the others to `rejected_by_stage`.
    void filter(std::uint64_t seed, std::uint64_t first, std::size_t count, std::size_t relax,
                Scratch& scratch, ArrayView<std::uint64_t> rejected_by_stage) const;

  private:
    struct Draw {
        std::uint32_t group;
        std::vector<std::uint32_t> columns;
    };
    struct Step {
        const QuantizedStage* quantized;
        std::size_t stage;
        std::vector<Draw> draws;              // what this step is the first to need
        std::vector<std::size_t> conditions;  // by number: those of the columns first used here
        std::vector<std::uint32_t> carried;   // columns that a later step needs and that are drawn by now
    };

    void run_pilot(const RejectionFilter* shorter);
    void choose_order();
    void plan_steps();
    void run(const Step& step, std::uint64_t seed, std::uint64_t first, std::size_t relax,
             Scratch& scratch) const;
    static void forgive_failures(std::size_t relax, std::size_t begin, std::size_t rows, Scratch& scratch);
    void draw(const Step& step, std::uint64_t seed, std::uint64_t first, std::size_t begin, std::size_t rows,
              Scratch& scratch) const;
    std::vector<std::uint32_t> needed_columns(const QuantizedStage& quantized) const;

    std::vector<const Stage*> stages_;
    std::size_t width_;
    BlockLayout layout_;
    const Conditions& conditions_;
    const Kernels& kernels_;
    std::size_t block_size_;
    double candidate_cost_ = 0.0;
    double pass_rate_ = 1.0;
    std::vector<std::vector<std::uint64_t>> pilot_;  // by stage: bits of the pilot's candidates it rejects
    std::vector<std::size_t> order_;
    std::vector<Step> steps_;
};

}  // namespace shac
