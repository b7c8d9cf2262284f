export declare const kernels: URL;
export declare const ranker: URL;
