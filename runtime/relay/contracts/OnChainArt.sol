// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// Tokens whose picture and metadata the contract keeps itself, which most wallets show as a blank. For tests of `mirror`.
contract OnChainArt {
    address public immutable owner = msg.sender;
    mapping(uint256 => address) private owners;
    mapping(uint256 => string) private colours;

    /// Gives a token its hash.
    event Minted(uint256 indexed tokenId, bytes32 hash);
    event Transfer(address indexed from, address indexed to, uint256 indexed tokenId);
    /// ERC-4906: marketplaces read the metadata anew.
    event MetadataUpdate(uint256 _tokenId);
    event BatchMetadataUpdate(uint256 _fromTokenId, uint256 _toTokenId);

    function mintAll(uint256 from, uint256 to, string calldata colour) external {
        for (uint256 tokenId = from; tokenId <= to; tokenId++) mint(tokenId, colour);
    }

    /// Says that everything may look otherwise.
    function refresh(uint256 from, uint256 to) external {
        emit BatchMetadataUpdate(from, to);
    }

    function mint(uint256 tokenId, string calldata colour) public {
        require(msg.sender == owner, "not the owner");
        require(owners[tokenId] == address(0), "minted already");
        owners[tokenId] = msg.sender;
        colours[tokenId] = colour;
        emit Transfer(address(0), msg.sender, tokenId);
        emit Minted(tokenId, tokenIdToHash(tokenId));
    }

    function repaint(uint256 tokenId, string calldata colour) external {
        require(msg.sender == ownerOf(tokenId), "not the token's owner");
        colours[tokenId] = colour;
        emit MetadataUpdate(tokenId);
    }

    function ownerOf(uint256 tokenId) public view returns (address) {
        address holder = owners[tokenId];
        require(holder != address(0), "no such token");
        return holder;
    }

    function tokenURI(uint256 tokenId) external view returns (string memory) {
        ownerOf(tokenId);
        string memory svg = string.concat(
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 200 100'><rect width='100%' height='100%' fill='",
            colours[tokenId],
            "'/></svg>"
        );
        return string.concat(
            'data:application/json;utf8,{"name":"Field","description":"One colour, kept on chain.",',
            '"attributes":[{"trait_type":"Colour","value":"', colours[tokenId], '"}],',
            '"image":"data:image/svg+xml;utf8,', svg, '"}'
        );
    }

    /// As Art Blocks gives each token a hash; zero before it is minted.
    function tokenIdToHash(uint256 tokenId) public view returns (bytes32) {
        return owners[tokenId] == address(0) ? bytes32(0) : keccak256(abi.encode(tokenId, colours[tokenId]));
    }
}
