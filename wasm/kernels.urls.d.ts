export declare const kernels: URL;
