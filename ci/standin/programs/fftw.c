/* SPDX-License-Identifier: GPL-2.0-only
   forward and backward over all ranks gives N times the input */
#include <fftw3-mpi.h>
#include <math.h>
#include <stdio.h>
#define N 32
int main(int argc, char **argv)
{
    int rank, bad = 0;
    ptrdiff_t local, rows, first, i;
    MPI_Init(&argc, &argv);
    fftw_mpi_init();
    fftwf_mpi_init();
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    local = fftw_mpi_local_size_2d(N, N, MPI_COMM_WORLD, &rows, &first);
    fftw_complex *data = fftw_alloc_complex(local);
    fftw_plan there = fftw_mpi_plan_dft_2d(N, N, data, data, MPI_COMM_WORLD, FFTW_FORWARD, FFTW_ESTIMATE);
    fftw_plan back = fftw_mpi_plan_dft_2d(N, N, data, data, MPI_COMM_WORLD, FFTW_BACKWARD, FFTW_ESTIMATE);
    for (i = 0; i < rows * N; i++) { data[i][0] = first * N + i; data[i][1] = 1; }
    fftw_execute(there);
    fftw_execute(back);
    for (i = 0; i < rows * N; i++) bad |= fabs(data[i][0] / (N * N) - (first * N + i)) > 1e-9;
    ptrdiff_t single = fftwf_mpi_local_size_2d(N, N, MPI_COMM_WORLD, &rows, &first);
    fftwf_complex *small = fftwf_alloc_complex(single);
    fftwf_plan plan = fftwf_mpi_plan_dft_2d(N, N, small, small, MPI_COMM_WORLD, FFTW_FORWARD, FFTW_ESTIMATE);
    for (i = 0; i < rows * N; i++) { small[i][0] = 1; small[i][1] = 0; }
    fftwf_execute(plan);
    if (rank == 0) bad |= fabsf(small[0][0] - N * N) > 1e-2f;
    if (rank == 0 && !bad) printf("ok FFTW over MPI, double and single\n");
    MPI_Finalize();
    return bad;
}
