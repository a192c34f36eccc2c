/**
 * Numbers as the Python importer computes them, to the last digit.
 *
 * What is added up is a float, rounded once at the end; what stays a measurement of its own is a decimal, which keeps
 * its digits. Decimals are rounded to 28 digits, half to even, as Python's are where nobody says otherwise.
 */

import { asciiDigits, stripped } from "./texts.ts";

const PLAIN = /^[0-9]+(?:\.[0-9]+)?$/;
const NUMBER = /^([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]+))?$/;
const PRECISION = 28;

/** The float that a text stands for, NaN where it is no finite number. */
export function float(text: string): number {
  if (PLAIN.test(text)) return Number(text);
  const plain = asciiDigits(stripped(text)).replace(/(?<=[0-9])_(?=[0-9])/g, "");
  return NUMBER.test(plain) && /^[+-]?\.?[0-9]/.test(plain) ? Number(plain) : NaN;
}

/** The sum, rounded once (Shewchuk's algorithm, as `math.fsum` has it). */
export function sum(values: Iterable<number>): number {
  const partials: number[] = [];
  for (let x of values) {
    let kept = 0;
    for (let y of partials) {
      if (Math.abs(x) < Math.abs(y)) [x, y] = [y, x];
      const high = x + y;
      const low = y - (high - x);
      if (low !== 0) partials[kept++] = low;
      x = high;
    }
    partials.length = kept;
    if (x !== 0) partials.push(x);
  }
  let high = partials.pop() ?? 0;
  let low = 0;
  while (low === 0 && partials.length > 0) {
    const [x, y] = [high, partials.pop() ?? 0];
    high = x + y;
    low = y - (high - x);
  }
  // Where the rest lies half between two floats, the next partial tells on which side.
  const next = partials.at(-1) ?? 0;
  if ((low < 0 && next < 0) || (low > 0 && next > 0)) {
    const twice = low * 2;
    const other = high + twice;
    if (twice === other - high) return other;
  }
  return high;
}

/** A computed value to no or one decimal place, half to even, without a zero that nobody measured. */
export function written(value: number, digits: 0 | 1): string {
  const whole = roundHalfEven(value);
  if (digits === 0 || Math.abs(value - whole) < 0.05) return String(BigInt(whole));
  // Only where four times the value is whole can it lie half between two tenths; then ten times the value is exact.
  return Number.isInteger(value * 4) ? String(roundHalfEven(value * 10) / 10) : value.toFixed(1);
}

function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const above = value - below;
  return above > 0.5 || (above === 0.5 && below % 2 !== 0) ? below + 1 : below;
}

// --- decimals -----------------------------------------------------------------------------------------------------

/** ±coefficient · 10^exponent; a zero has a sign and an exponent, too. */
export type Decimal = { readonly negative: boolean; readonly coefficient: bigint; readonly exponent: number };

/** Read a decimal as Python does; `undefined` for what is none, or not finite. */
export function decimal(text: string): Decimal | undefined {
  const found = NUMBER.exec(asciiDigits(stripped(text)).replaceAll("_", ""));
  if (found === null) return undefined;
  const [, sign, whole = "", fraction = "", exponent = "0"] = found;
  if (whole + fraction === "") return undefined;
  return {
    negative: sign === "-",
    coefficient: BigInt(whole + fraction),
    exponent: Number(exponent) - fraction.length,
  };
}

/** The exponent of the first digit. */
export function adjusted(value: Decimal): number {
  return value.exponent + String(value.coefficient).length - 1;
}

/** In plain digits, without an exponent. */
export function plain(value: Decimal): string {
  const sign = value.negative ? "-" : "";
  const digits = String(value.coefficient);
  if (value.coefficient === 0n && value.exponent >= 0) return `${sign}0`;
  if (value.exponent >= 0) return sign + digits + "0".repeat(value.exponent);
  const padded = digits.padStart(1 - value.exponent, "0");
  return `${sign}${padded.slice(0, value.exponent)}.${padded.slice(value.exponent)}`;
}

/** As Python writes it: with an exponent where the last digits are not known. */
export function scientific(value: Decimal): string {
  if (value.exponent <= 0) return plain(value);
  const digits = String(value.coefficient);
  const fraction = digits.length > 1 ? `.${digits.slice(1)}` : "";
  return `${value.negative ? "-" : ""}${digits[0]}${fraction}E+${adjusted(value)}`;
}

/** To 28 digits. */
export function rounded(value: Decimal): Decimal {
  const over = String(value.coefficient).length - PRECISION;
  if (over <= 0) return value;
  const coefficient = divided(value.coefficient, 10n ** BigInt(over));
  // 999…9 may have become 1000…0.
  return rounded({ ...value, coefficient, exponent: value.exponent + over });
}

export function times(a: Decimal, b: Decimal): Decimal {
  return rounded({
    negative: a.negative !== b.negative,
    coefficient: a.coefficient * b.coefficient,
    exponent: a.exponent + b.exponent,
  });
}

export function plus(a: Decimal, b: Decimal): Decimal {
  const exponent = Math.min(a.exponent, b.exponent);
  const total = signed(a, exponent) + signed(b, exponent);
  const negative = total === 0n ? a.negative && b.negative : total < 0n;
  return rounded({ negative, coefficient: total < 0n ? -total : total, exponent });
}

/** 10^`exponent` as the last place; `undefined` where that takes more than 28 digits. */
export function quantized(value: Decimal, exponent: number): Decimal | undefined {
  const shift = value.exponent - exponent;
  const coefficient =
    value.coefficient === 0n
      ? 0n
      : shift >= 0
        ? value.coefficient * 10n ** BigInt(shift)
        : divided(value.coefficient, 10n ** BigInt(-shift));
  return String(coefficient).length > PRECISION ? undefined : { negative: value.negative, coefficient, exponent };
}

/** 1000 / value to 28 digits; `undefined` for zero. */
export function thousandth(value: Decimal): Decimal | undefined {
  if (value.coefficient === 0n) return undefined;
  // With so many digits before the division, what is left over only has to be told from nothing.
  const places = PRECISION + 2 + String(value.coefficient).length;
  const [quotient, rest] = [
    10n ** BigInt(places) / value.coefficient,
    10n ** BigInt(places) % value.coefficient,
  ];
  const exponent = 3 - places - value.exponent;
  const sticky = { negative: value.negative, coefficient: quotient * 10n + (rest ? 1n : 0n), exponent: exponent - 1 };
  return rounded(sticky);
}

/** Without zeros at the end. */
export function normalized(value: Decimal): Decimal {
  if (value.coefficient === 0n) return { ...value, exponent: 0 };
  const digits = String(value.coefficient);
  const kept = digits.replace(/0+$/, "");
  return { ...value, coefficient: BigInt(kept), exponent: value.exponent + digits.length - kept.length };
}

function signed(value: Decimal, exponent: number): bigint {
  if (value.coefficient === 0n) return 0n;
  const whole = value.coefficient * 10n ** BigInt(value.exponent - exponent);
  return value.negative ? -whole : whole;
}

/** Half to even; both are positive. */
function divided(value: bigint, by: bigint): bigint {
  const [quotient, rest] = [value / by, value % by];
  const twice = rest * 2n;
  return twice > by || (twice === by && quotient % 2n === 1n) ? quotient + 1n : quotient;
}
