// Coarse uniforms of candidates whose blocks of random bits may serve several of them (see BlockLayout).
//
// A whole run of candidates in a row takes one call of the kernel, which writes the columns of all candidates
// of a block; of other candidates every one takes a block of its own. Which of the two is taken changes no
// uniform.
#pragma once

#include <array>
#include <cstdint>

#include "kernels/kernels.hpp"
#include "prior/random.hpp"

namespace shac {

/// Writes the coarse uniforms of the requested candidates into the columns of their group that are not null.
/// `request.rows` is a multiple of kLane.
void draw_group(const Kernels& kernels, const BlockLayout& layout, const DrawRequest& request,
                const std::array<std::uint16_t*, kGroupColumns>& columns);

}  // namespace shac
