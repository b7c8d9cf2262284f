export declare const core: URL;
export declare const core2: URL;
export declare const core3: URL;
