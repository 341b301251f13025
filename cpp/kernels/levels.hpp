// The levels of the kernels, for the file that chooses among them and the tests that compare them.
//
// A level is null where the compiler cannot build it or this machine cannot run it; the baseline always runs.
// Each stands in a file of its own, compiled for all machines of its family: functions, not files, are marked
// for the vector instructions that they use, so that nothing else in the file can be compiled to them.
//
// The tables of functions are constants; any thread may ask for them.
#pragma once

#include "kernels/kernels.hpp"

namespace shac {

const Kernels& baseline_kernels();
const Kernels* avx2_kernels();
const Kernels* avx512_kernels();
const Kernels* neon_kernels();

}  // namespace shac
