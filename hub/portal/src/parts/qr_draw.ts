/** The encoder of QR codes: a part of its own, for pages that show one. */

export { default } from "qr";
