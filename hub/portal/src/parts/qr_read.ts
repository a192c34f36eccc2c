/** The decoder of QR codes: a part of its own, for who scans with a browser that has none. */

export { default } from "qr/decode.js";
