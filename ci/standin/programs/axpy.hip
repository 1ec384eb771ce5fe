// SPDX-License-Identifier: GPL-2.0-only
// HIP: needs a GPU to succeed; without one it must say so.
#include <hip/hip_runtime.h>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#define DO(call) do { hipError_t e = (call); if (e != hipSuccess) { fprintf(stderr, "%s\n", hipGetErrorString(e)); exit(3); } } while (0)

__global__ void axpy(int n, double a, const double *x, double *y, unsigned *count) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) { y[i] += a * x[i]; atomicInc(count, n); }
}

int main() {
  int n = 1000;
  std::vector<double> x(n, 2.0), y(n, 1.0);
  double *dx, *dy;
  unsigned *count, counted = 0;
  int devices = 0;
  DO(hipGetDeviceCount(&devices));
  DO(hipMalloc(reinterpret_cast<void **>(&dx), n * sizeof(double)));
  DO(hipMalloc(reinterpret_cast<void **>(&dy), n * sizeof(double)));
  DO(hipMemcpy(dx, x.data(), n * sizeof(double), hipMemcpyHostToDevice));
  DO(hipMemcpy(dy, y.data(), n * sizeof(double), hipMemcpyHostToDevice));
  DO(hipMalloc(reinterpret_cast<void **>(&count), sizeof(unsigned)));
  DO(hipMemset(count, 0, sizeof(unsigned)));
  axpy<<<(n + 255) / 256, 256>>>(n, 3.0, dx, dy, count);
  DO(hipMemcpy(&counted, count, sizeof(unsigned), hipMemcpyDeviceToHost));
  DO(hipMemcpy(y.data(), dy, n * sizeof(double), hipMemcpyDeviceToHost));
  for (int i = 0; i < n; i++) if (std::fabs(y[i] - 7.0) > 1e-12) { fprintf(stderr, "wrong at %d: %g\n", i, y[i]); return 1; }
  if (counted != unsigned(n)) { fprintf(stderr, "counted %u\n", counted); return 1; }
  printf(" ok axpy on %d GPUs\n", devices);
  return 0;
}
