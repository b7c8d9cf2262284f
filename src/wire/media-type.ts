/** The media type of frames over HTTP. */
export const frameType = 'application/x-flexemr';
