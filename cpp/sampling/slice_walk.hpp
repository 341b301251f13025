// Chains of slice sampling within the region that a cascade accepts, in the space of uniforms.
//
// A step takes a line through a chain's point and draws from the part of it that the cascade accepts, by
// Neal's shrinkage: a candidate anywhere on the line, and after each rejection one from between it and the
// point (shac/sampling/slice_sampling.py has the method and its sources). Directions and fractions are given,
// so that a chain is a function of them alone: the chains advance together in blocks, on any number of
// threads.
//
// Cost: `kShrinkages` decisions a chain and step at most, about ten.
#pragma once

#include <cstddef>

#include "prior/encoding.hpp"
#include "rows/cascade.hpp"
#include "rows/row_filter.hpp"
#include "support/array_view.hpp"
#include "support/parallel.hpp"

namespace shac {

struct SliceWalk {
    MatrixView<double> points;           // of all chains; moved in place
    ArrayView<const double> directions;  // steps by chains by columns
    ArrayView<const double> fractions;   // steps by chains by shrinkages
    std::size_t num_steps;
    std::size_t num_shrinkages;
};

/// Moves each point once a step to one that the cascade accepts; where none is found it stays. False when
/// `workers.stop` ended it first. Throws std::invalid_argument where sizes do not fit.
bool walk(const SpaceEncoding& encoding, const Cascade& cascade, const SliceWalk& chains,
          const Workers& workers);

/// The same, by the stages' tables where they decide.
bool walk(const SpaceEncoding& encoding, const RowFilter& filter, const SliceWalk& chains,
          const Workers& workers);

}  // namespace shac
