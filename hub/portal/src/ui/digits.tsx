/** Digits to be compared by two people, or on two devices: in groups of three, as one reads them aloud. */

export function Digits({ digits, label }: { digits: string; label: string }) {
  return (
    <p class="digits" role="group" aria-label={label}>
      {digits.match(/.{3}/g)?.map((group, place) => <span key={place}>{group} </span>)}
    </p>
  );
}
