// HIP and MPI: each rank sums a vector on its GPU, MPI sums the parts. Without a GPU the sum is done by the host, and said.
#include <hip/hip_runtime.h>
#include <mpi.h>
#include <cstdio>
#include <vector>

__global__ void square(int n, double *x) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) x[i] *= x[i];
}

int main(int argc, char **argv) {
  MPI_Init(&argc, &argv);
  int rank, size, devices = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  const int n = 1000;
  std::vector<double> x(n);
  for (int i = 0; i < n; i++) x[i] = i + rank;
  if (hipGetDeviceCount(&devices) == hipSuccess && devices > 0) {
    double *device;
    if (hipMalloc(reinterpret_cast<void **>(&device), n * sizeof(double)) != hipSuccess) return 3;
    if (hipMemcpy(device, x.data(), n * sizeof(double), hipMemcpyHostToDevice) != hipSuccess) return 3;
    square<<<(n + 255) / 256, 256>>>(n, device);
    if (hipMemcpy(x.data(), device, n * sizeof(double), hipMemcpyDeviceToHost) != hipSuccess) return 3;
  } else {
    for (double &value : x) value *= value;
  }
  double part = 0, sum = 0, expected = 0;
  for (double value : x) part += value;
  MPI_Allreduce(&part, &sum, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
  for (int r = 0; r < size; r++) for (int i = 0; i < n; i++) expected += double(i + r) * (i + r);
  if (rank == 0) printf("ranks %d devices %d %s\n", size, devices, sum == expected ? "OK" : "WRONG");
  MPI_Finalize();
  return sum == expected ? 0 : 1;
}
