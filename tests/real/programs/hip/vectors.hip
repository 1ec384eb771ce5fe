#include <hip/hip_runtime.h>
#include <rocprim/rocprim.hpp>
#include "vectors.h"

__global__ void fill(int n, double value, double *x) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) x[i] = value;
}

extern "C" int vectors_sum(int n, double value, double *sum) {
  double *x, *result;
  void *workspace = nullptr;
  size_t bytes = 0;
  int devices = 0;
  hipError_t status = hipGetDeviceCount(&devices);
  if (status != hipSuccess) return status;
  if ((status = hipMalloc(reinterpret_cast<void **>(&x), n * sizeof(double))) != hipSuccess) return status;
  if ((status = hipMalloc(reinterpret_cast<void **>(&result), sizeof(double))) != hipSuccess) return status;
  fill<<<(n + 255) / 256, 256>>>(n, value, x);
  if ((status = rocprim::reduce(workspace, bytes, x, result, n, rocprim::plus<double>())) != hipSuccess) return status;
  if ((status = hipMalloc(&workspace, bytes)) != hipSuccess) return status;
  if ((status = rocprim::reduce(workspace, bytes, x, result, n, rocprim::plus<double>())) != hipSuccess) return status;
  return hipMemcpy(sum, result, sizeof(double), hipMemcpyDeviceToHost);
}
