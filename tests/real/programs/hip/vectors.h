#ifdef __cplusplus
extern "C"
#endif
int vectors_sum(int n, double value, double *sum); /* returns a hipError_t; 0 is success */
