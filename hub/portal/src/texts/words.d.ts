/** Lists of words are text to the bundle. */
declare module "*.txt" {
  const text: string;
  export default text;
}
