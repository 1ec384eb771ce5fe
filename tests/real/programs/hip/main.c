#include <stdio.h>
#include "vectors.h"

int main(void) {
  double sum = 0;
  int status = vectors_sum(1000, 0.5, &sum);
  if (status == 100) { printf("no GPU\n"); return 0; } /* hipErrorNoDevice */
  printf("status %d sum %g\n", status, sum);
  return status != 0 || sum != 500.0;
}
