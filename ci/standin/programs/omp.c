/* SPDX-License-Identifier: GPL-2.0-only */
#include <cblas.h>
#include <fftw3.h>
#include <lapacke.h>
#include <stdio.h>
int main(void)
{
    double a[4] = {2, 0, 0, 2}, b[4] = {1, 2, 3, 4}, c[4] = {0}, x[2] = {2, 4};
    int pivots[2];
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, 2, 2, 2, 1, a, 2, b, 2, 0, c, 2);
    int info = LAPACKE_dgesv(LAPACK_ROW_MAJOR, 2, 1, a, 2, pivots, x, 1);
    fftw_init_threads();
    if (c[3] == 8 && !info && x[1] == 2) printf("ok CBLAS, LAPACKE, FFTW threads\n");
    return !(c[3] == 8 && !info && x[1] == 2);
}
